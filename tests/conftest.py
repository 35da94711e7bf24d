# SPDX-License-Identifier: BSD-3-Clause
"""Fixtures: a router for each module (its CONFIG laid over the lab's), or one for a single test."""
import pytest

from support import lab


def pytest_configure(config):
    config.addinivalue_line("markers", "end_to_end: also run with the binary under sanitizers")
    config.addinivalue_line("markers", "on_cards: tests/run also has it in the VM")
    config.addinivalue_line("markers", "not_in_vm: about this machine's devices or files, or about "
                            "the process; not run where the router is in a VM (MILLRACE_NIC)")


figures = []


@pytest.fixture(scope="session")
def figure():
    """figure(what, value): a line below the results; what was measured beside what was tested."""
    return lambda what, value: figures.append(f"{what}: {value}")


def pytest_terminal_summary(terminalreporter):
    if figures:
        terminalreporter.section("figures")
        for line in figures:
            terminalreporter.write_line(f"figure: {line}")


@pytest.fixture(scope="session", autouse=True)
def clean_machine():
    lab.clear_dead_runs()


@pytest.fixture(scope="session")
def kept():
    """In the VM, where a start takes seconds: the router of the last module of those `on_cards`."""
    routers = []
    yield routers
    for router in routers:
        router.stop()


@pytest.fixture(scope="module")
def module_router(request, kept):
    changes = getattr(request.module, "CONFIG", None)
    shared = lab.NIC and request.node.get_closest_marker("on_cards")
    if not (shared and kept and kept[0].becomes(changes)):
        if kept:
            kept.pop().stop()
        kept.append(lab.Router(changes))
    yield kept[0]
    if not shared:
        kept.pop().stop()


@pytest.fixture
def router(module_router):
    """The module's router, with nothing under way."""
    for port in module_router.ports.values():
        port.drain()
    yield module_router
    module_router.check_books()


@pytest.fixture
def make_router():
    """make_router(changes): a router of the test's own."""
    made = []

    def make(*args, **options):
        made.append(lab.Router(*args, **options))
        return made[-1]

    yield make
    for router in made:
        router.stop()
