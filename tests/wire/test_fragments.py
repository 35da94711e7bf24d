# SPDX-License-Identifier: BSD-3-Clause
"""Fragments: cut on the way out, put together for the router itself (RFC 791, 815, 1812, 5722)."""
import itertools
import random

import pytest
from scapy.layers.inet import ICMP, IP, UDP, IPOption
from scapy.packet import Raw

from support.lab import moved
from support.packets import checksums_hold, internet_sum, ip_bytes

pytestmark = pytest.mark.on_cards

CONFIG = {
    "ports": {"wan": {"mtu": 1280}},
    "reassembly": {"timeout": "1s", "datagrams": 16},
    "services": {"echo": {"kind": "udp-echo", "listen": "0.0.0.0:7"}},
}


identification = itertools.count(1)


def pattern(size):
    return random.Random(size).randbytes(size)


def joined(fragments):
    """The payload that fragments carry together, each checked to fit the one before."""
    payload = b""
    for frame in sorted(fragments, key=lambda f: f[IP].frag):
        packet = ip_bytes(frame)
        size = 4 * (packet[0] & 15)
        assert 8 * frame[IP].frag == len(payload) and internet_sum(packet[:size]) == 0
        payload += packet[size:]
    return payload


# --- cutting ---

@pytest.mark.end_to_end
@pytest.mark.parametrize("size", [1253, 1400, 1472])
def test_cut_for_a_smaller_link(router, size):
    sent = router.lan.to(router.wan.ip, id=0x4242, tos=0x28) / UDP(sport=1) / Raw(pattern(size))
    out = router.send(router.lan, sent).out["wan"]
    assert len(out) == 2
    assert all(f[IP].len <= 1280 and f[IP].id == 0x4242 for f in out)
    assert all(f[IP].ttl == 63 and f[IP].tos == 0x28 for f in out)
    assert out[0][IP].flags == "MF" and out[1][IP].flags == 0
    assert (out[0][IP].len - 20) % 8 == 0
    assert joined(out) == ip_bytes(sent)[20:]


def test_fragment_is_cut_again(router):
    """Its offset counts on, and more fragments follow the last piece if they followed it."""
    sent = router.lan.to(router.wan.ip, id=1, flags="MF", frag=185, proto=17) / Raw(pattern(1480))
    out = router.send(router.lan, sent).out["wan"]
    assert [f[IP].flags for f in out] == ["MF", "MF"]
    assert out[0][IP].frag == 185 and out[1][IP].frag == 185 + (out[0][IP].len - 20) // 8
    assert b"".join(ip_bytes(f)[20:] for f in out) == ip_bytes(sent)[20:]


def test_options_in_fragments(router):
    """RFC 791: what has the copied flag is in every fragment, the rest in the first alone."""
    copied, first_only = b"\x88\x04\x12\x34", b"\x1e\x04\xab\xcd"
    sent = router.lan.to(router.wan.ip, options=[IPOption(copied), IPOption(first_only)]) / \
        UDP(sport=1, dport=2) / Raw(pattern(1400))
    out = router.send(router.lan, sent).out["wan"]
    assert len(out) == 2 and joined(out) == ip_bytes(sent)[28:]
    headers = [ip_bytes(f)[20:4 * f[IP].ihl] for f in out]
    assert headers[0] == copied + first_only
    assert copied in headers[1] and first_only not in headers[1]


def test_largest_that_a_link_brings(router):
    sent = router.lan.to(router.wan.ip) / ICMP() / Raw(pattern(1472))
    out = router.send(router.lan, sent).out["wan"]
    assert len(out) == 2 and internet_sum(joined(out)) == 0


# --- putting together ---

def pieces(router, size, step=1480, dst="198.18.0.254"):
    """An echo datagram to the router in fragments of `step` bytes, with an id of its own."""
    id = next(identification)
    whole = ip_bytes(router.lan.to(dst) / UDP(sport=4000, dport=7) / Raw(pattern(size)))[20:]
    starts = range(0, len(whole), step)
    return [router.lan.to(dst, id=id, proto=17, frag=at // 8,
                          flags="MF" if at + step < len(whole) else 0) / Raw(whole[at:at + step])
            for at in starts]


def echoed(outcome, router, size):
    out = outcome.out["lan"]
    assert out and all(f[IP].len <= 1500 for f in out), outcome
    return joined(out)[8:] == pattern(size)


@pytest.mark.end_to_end
@pytest.mark.parametrize("size", [1473, 3000, 8000])
@pytest.mark.parametrize("order", ["forward", "reversed", "shuffled"])
def test_put_together(router, size, order):
    fragments = pieces(router, size)
    if order == "reversed":
        fragments.reverse()
    elif order == "shuffled":
        random.Random(1).shuffle(fragments)
    outcome = router.send(router.lan, *fragments)
    assert echoed(outcome, router, size) and not outcome.drops


def test_sixty_four_fragments(router):
    fragments = pieces(router, 64 * 24 - 8, step=24)
    assert len(fragments) == 64
    outcome = router.send(router.lan, *fragments)
    assert echoed(outcome, router, 64 * 24 - 8) and not outcome.drops


def test_too_many_fragments(router):
    outcome = router.send(router.lan, *pieces(router, 65 * 24 - 8, step=24))
    assert not any(outcome.out.values()) and outcome.drops["REASM_MANY"] >= 1


def test_exact_copy_is_ignored(router):
    first, second, third = pieces(router, 4000)
    outcome = router.send(router.lan, first, first, second, first, third)
    assert echoed(outcome, router, 4000)
    assert outcome.drops == {"REASM_DUPLICATE": 2}


@pytest.mark.parametrize("shift", [-1, 1])
def test_overlap_drops_the_datagram(router, shift):
    first, second, third = pieces(router, 4000)
    other = second.copy()
    other[IP].frag += shift
    outcome = router.send(router.lan, first, second, other, third)
    assert not any(outcome.out.values()) and outcome.drops["REASM_OVERLAP"] >= 1


def test_same_place_with_other_bytes_is_an_overlap(router):
    first, second, third = pieces(router, 4000)
    other = second.copy()
    other[Raw].load = b"!" + other[Raw].load[1:]
    outcome = router.send(router.lan, first, second, other, third)
    if outcome.drops.get("REASM_DUPLICATE"):  # taken for a copy by its place and length
        assert echoed(outcome, router, 4000)
    else:
        assert not any(outcome.out.values()) and outcome.drops["REASM_OVERLAP"] >= 1


@pytest.mark.parametrize("frag, size, flags", [
    (0, 0, "MF"), (100, 0, "MF"), (0, 23, "MF"), (8191, 16, 0), (8189, 1480, 0)])
def test_impossible_fragment(router, frag, size, flags):
    """None without data, none but the last off the grid of eight, none beyond 65,535 bytes."""
    header = router.lan.to("198.18.0.254", id=next(identification), proto=17)
    header[IP].frag, header[IP].flags = frag, flags
    frame = header / Raw(bytes(size))
    router.send(router.lan, frame).nothing(REASM_BAD=1)


def test_time_out_is_told_if_the_first_is_held(router):
    """RFC 1122 3.3.2: time exceeded, code 1."""
    first, second, _ = pieces(router, 4000)
    before = router.drops()
    router.lan.send(first, second)
    error = router.lan.expect(lambda f: ICMP in f and f[ICMP].type == 11, timeout=4)
    assert error[ICMP].code == 1 and checksums_hold(error)
    assert ip_bytes(error)[28:48] == ip_bytes(first)[:20]
    router.settle()
    assert moved(before, router.drops())["REASM_TIMEOUT"] >= 1


def test_time_out_is_not_told_otherwise(router):
    _, second, third = pieces(router, 4000)
    before = router.drops()
    router.lan.send(second, third)
    router.wait_until(lambda: moved(before, router.drops()) == {"REASM_TIMEOUT": 2}, 4, "they go")
    assert not [f for f in router.lan.drain() if ICMP in f]


def test_table_is_bounded(router):
    firsts = [pieces(router, 2000)[0] for _ in range(40)]
    outcome = router.send(router.lan, *firsts)
    assert outcome.drops.get("REASM_FULL", 0) >= 24, outcome
    router.wait_until(lambda: router.counters()["held"] == 0, 5, "nothing is held")
