# SPDX-License-Identifier: BSD-3-Clause
"""Frames that have to be answered or carried byte for byte, and small builders of others."""
from scapy.layers.inet import IP

# An ARP request as a PC sends it, and the answer that 192.168.0.2 at 00:05:5d:a1:b8:40 owes it.
ARP_REQUEST = bytes.fromhex(
    "ffffffffffff 00055d6158a8 0806"
    "0001 0800 06 04 0001 00055d6158a8 c0a80037 000000000000 c0a80002")
ARP_REPLY = bytes.fromhex(
    "00055d6158a8 00055da1b840 0806"
    "0001 0800 06 04 0002 00055da1b840 c0a80002 00055d6158a8 c0a80037")

# A TFTP read request: 97 bytes, every checksum as it was on the wire.
TFTP_READ = bytes.fromhex(
    "00055d67d0b1 00055d6158a8 0800"
    "4500 0053 9325 0000 80 11 25ec c0a80037 c0a80001"
    "05d4 0045 003f ac40 0001") + b"\0".join(
    b"c:\\qwerq.qwe netascii blksize 512 timeout 10 tsize 0".split()) + b"\0"


def ip_bytes(frame):
    """The IPv4 packet in a frame as bytes, without what pads the frame."""
    packet = bytes(frame[IP])
    return packet[:int.from_bytes(packet[2:4], "big")]


def internet_sum(data):
    """The Internet checksum of some bytes (RFC 1071): 0 over data that contains a good one."""
    if len(data) % 2:
        data += b"\0"
    total = sum(int.from_bytes(data[i:i + 2], "big") for i in range(0, len(data), 2))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total ^ 0xffff


def checksums_hold(frame):
    """True if the IPv4 header's checksum is right, and that of the ICMP, UDP or TCP inside."""
    packet = ip_bytes(frame)
    size = 4 * (packet[0] & 15)
    if internet_sum(packet[:size]) != 0:
        return False
    body = packet[size:]
    if packet[9] in (6, 17):
        body = packet[12:20] + bytes([0, packet[9]]) + len(body).to_bytes(2, "big") + body
    return internet_sum(body) == 0
