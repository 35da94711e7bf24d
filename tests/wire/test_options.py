# SPDX-License-Identifier: BSD-3-Clause
"""IPv4 options as RFC 1812 5.2.4 and 5.3.13 has a router treat them, source routes by RFC 7126."""
import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.packet import Raw

from support.packets import internet_sum, ip_bytes


def with_options(router, options, dst=None, **fields):
    """A frame whose header carries these bytes, filled up to a word with end-of-list."""
    options += bytes(-len(options) % 4)
    payload = bytes(UDP(sport=1, dport=2) / Raw(b"data"))
    header = bytearray(bytes(IP(src=router.lan.ip, dst=dst or router.wan.ip, proto=17,
                                len=20 + len(options) + len(payload), ihl=5 + len(options) // 4,
                                chksum=0, **fields))[:20] + options)
    header[10:12] = internet_sum(bytes(header)).to_bytes(2, "big")
    return bytes(router.lan.ether(type=0x0800)) + bytes(header) + payload


def options_of(frame):
    packet = ip_bytes(frame)
    size = 4 * (packet[0] & 15)
    assert internet_sum(packet[:size]) == 0
    return packet[20:size]


@pytest.mark.end_to_end
@pytest.mark.parametrize("options", [
    b"\x01\x01\x01\x01",
    b"\x00\x00\x00\x00",
    b"\x94\x04\x00\x00",          # router alert
    b"\x9e\x08abcdef",            # nobody knows this one
    b"\x01\x1e\x03\xff\x01\x01\x01\x00",
    b"\x01" * 40,
], ids=lambda options: options.hex()[:16])
def test_carried_unchanged(router, options):
    out = router.send(router.lan, with_options(router, options)).only(router.wan)
    assert options_of(out) == options and out[IP].ttl == 63


def test_record_route(router):
    """The next free slot gets the address by which the packet leaves."""
    option = b"\x07\x0b\x04" + bytes(8)
    out = router.send(router.lan, with_options(router, option)).only(router.wan)
    assert options_of(out)[:11] == b"\x07\x0b\x08" + bytes([198, 18, 1, 254]) + bytes(4)


def test_record_route_that_is_full(router):
    option = b"\x07\x07\x08" + bytes([192, 0, 2, 1])
    out = router.send(router.lan, with_options(router, option)).only(router.wan)
    assert options_of(out)[:7] == option


def test_timestamp(router):
    option = b"\x44\x0c\x05\x00" + bytes(8)
    out = options_of(router.send(router.lan, with_options(router, option)).only(router.wan))
    assert out[:4] == b"\x44\x0c\x09\x00"
    assert 0 < int.from_bytes(out[4:8], "big") < 86_400_000 and out[8:] == bytes(4)


def test_timestamp_with_address(router):
    option = b"\x44\x0c\x05\x01" + bytes(8)
    out = options_of(router.send(router.lan, with_options(router, option)).only(router.wan))
    assert out[:8] == b"\x44\x0c\x0d\x01" + bytes([198, 18, 1, 254])
    assert out[8:] != bytes(4)


def test_timestamp_that_is_full_counts_an_overflow(router):
    option = b"\x44\x08\x09\x10" + bytes(4)
    out = options_of(router.send(router.lan, with_options(router, option)).only(router.wan))
    assert out == b"\x44\x08\x09\x20" + bytes(4)


@pytest.mark.parametrize("kind", [0x83, 0x89])
def test_source_route_is_dropped(router, kind):
    option = bytes([kind, 7, 4]) + bytes([198, 18, 1, 1])
    outcome = router.send(router.lan, with_options(router, option, dst="198.18.0.254"))
    assert outcome.drops == {"IP4_SOURCE_ROUTE": 1} and not outcome.out["wan"], outcome


@pytest.mark.parametrize("options, pointer", [
    (b"\x07\x00\x04\x00", 21),              # length 0
    (b"\x07\x01\x04\x00", 21),              # length 1
    (b"\x9e\x00\x00\x00", 21),              # of one that nobody knows, too
    (b"\x9e\x09abcdef", 21),                # beyond the header
    (b"\x01\x01\x01\x07", 23),              # no room for its length
    (b"\x07\x07\x03\x00\x00\x00\x00", 22),  # a pointer into the option's head
    (b"\x44\x08\x04\x00" + bytes(4), 22),
], ids=lambda value: value.hex() if isinstance(value, bytes) else str(value))
def test_malformed_draws_a_parameter_problem(router, options, pointer):
    outcome = router.send(router.lan, with_options(router, options))
    error = outcome.only(router.lan)
    assert outcome.drops == {"IP4_OPTION": 1}, outcome
    assert (error[ICMP].type, error[ICMP].code) == (12, 0)
    assert error[ICMP].ptr == pointer


def test_echo_with_options_for_us(router):
    """RFC 1122 3.2.2.6: what comes to us with options is answered all the same."""
    frame = router.lan.to("198.18.0.254", options=b"\x07\x07\x04\x00\x00\x00\x00\x00") / ICMP()
    assert router.send(router.lan, frame).only(router.lan)[ICMP].type == 0
