# SPDX-License-Identifier: BSD-3-Clause
"""TCP of the router itself, segment by segment: who is answered, and who is not."""
import pytest
from scapy.layers.inet import ICMP, IP, TCP
from scapy.packet import Raw

from support.packets import checksums_hold

pytestmark = pytest.mark.on_cards

CONFIG = {"services": {"echo": {"kind": "tcp-echo", "listen": "0.0.0.0:7"}}}


@pytest.mark.end_to_end
def test_handshake_echo_and_reset(router):
    """SYN, ACK with data, and what comes back; a reset ends it."""
    lan, to = router.lan, router.lan.to("198.18.0.254")
    syn = router.send(lan, to / TCP(sport=4000, dport=7, flags="S", seq=1000)).only(lan)
    assert syn[TCP].flags == "SA" and syn[TCP].ack == 1001 and checksums_hold(syn)
    assert dict(syn[TCP].options)["MSS"] == 1460
    ours = syn[TCP].seq + 1
    back = router.send(
        lan, to / TCP(sport=4000, dport=7, flags="PA", seq=1001, ack=ours) / Raw(b"hello")).only(lan)
    assert (back[TCP].ack, back[TCP].seq) == (1006, ours) and checksums_hold(back)
    assert bytes(back[TCP].payload)[:5] == b"hello"
    router.send(lan, to / TCP(sport=4000, dport=7, flags="R", seq=1006)).nothing()
    out = router.send(
        lan, to / TCP(sport=4000, dport=7, flags="A", seq=1006, ack=ours + 5)).only(lan)
    assert out[TCP].flags == "R" and out[TCP].seq == ours + 5


@pytest.mark.parametrize("dport", [7, 4321])
@pytest.mark.parametrize("flags", ["S", "A", "SA"])
def test_groups_draw_no_answer(router, dport, flags):
    """RFC 9293 MUST-57, whatever frame it comes in."""
    segment = TCP(sport=4000, dport=dport, flags=flags, seq=1000, ack=1)
    for address in ("198.18.0.255", "255.255.255.255", "224.0.0.1"):
        outcome = router.send(router.lan, router.lan.to_all(address) / segment)
        assert not any(outcome.out.values()), (address, outcome)


def test_closed_port(router):
    out = router.send(
        router.lan, router.lan.to("198.18.0.254") / TCP(sport=4000, dport=4321, flags="S", seq=7)
    ).only(router.lan)
    assert out[TCP].flags == "RA" and out[TCP].ack == 8 and checksums_hold(out)


def test_a_path_mtu_shrinks(router):
    """Fragmentation needed: what was too large goes again at once, in smaller segments."""
    lan, to = router.lan, router.lan.to("198.18.0.254")
    ours = router.send(
        lan, to / TCP(sport=4001, dport=7, flags="S", seq=1000, options=[("MSS", 1460)])
    ).only(lan)[TCP].seq + 1
    out = router.send(lan, to / TCP(sport=4001, dport=7, flags="PA", seq=1001, ack=ours)
                      / Raw(b"x" * 1400)).out["lan"]
    quoted = out[0][IP]
    assert quoted.flags == "DF" and quoted.len == 1440
    error = ICMP(type=3, code=4, nexthopmtu=1000) / Raw(bytes(quoted)[:28])
    again = [f for f in router.send(lan, to / error).out["lan"] if TCP in f]
    assert [f[IP].len for f in again] == [1000, 480] and all(checksums_hold(f) for f in again)
    router.send(lan, to / TCP(sport=4001, dport=7, flags="R", seq=2401)).nothing()
