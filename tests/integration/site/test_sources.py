"""Who may reach the published port from outside: asked from network namespaces, which are hosts of their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from instance import NETWORK, PORT_OFFSET, SUFFIX, Instance, run

# Two hosts on two links, other ones for each checkout; a link's name has at most 15 characters.
HOSTS = {"a": f"10.251.{PORT_OFFSET // 500 % 250}", "b": f"10.251.{PORT_OFFSET // 500 % 250 + 1}"}


def name(host: str) -> str:
    """Return the name of a host's namespace."""
    return f"amt{SUFFIX[:7]}-{host}"


@pytest.fixture(scope="module")
def hosts() -> Iterator[None]:
    """Make two network namespaces that reach this machine, each by a link of its own."""
    for host, net in HOSTS.items():
        run("ip", "netns", "add", name(host))
        run("ip", "link", "add", name(host) + "0", "type", "veth", "peer", "name", "eth0", "netns", name(host))
        run("ip", "address", "add", f"{net}.1/24", "dev", name(host) + "0")
        run("ip", "link", "set", name(host) + "0", "up")
        for command in (
            ("address", "add", f"{net}.2/24", "dev", "eth0"),
            ("link", "set", "eth0", "up"),
            ("route", "add", "default", "via", f"{net}.1"),
        ):
            run("ip", "-n", name(host), *command)
    yield
    for host in HOSTS:
        run("ip", "netns", "delete", name(host), check=False)
        run("ip", "link", "delete", name(host) + "0", check=False)


def gateway(instance: Instance) -> str:
    """Return the bridge's address, on which the server is published."""
    return str(next(row["HostIp"] for row in instance.inspect()["HostConfig"]["PortBindings"]["5432/tcp"][1:]))


def asks(host: str, address: str, port: int) -> bool:
    """Say whether a server answers a host."""
    command = ("pg_isready", "-q", "-t", "1", "-h", address, "-p", str(port))
    return run("ip", "netns", "exec", name(host), *command, check=False).returncode == 0


def reaches(instance: Instance, host: str) -> bool:
    """Say whether the server answers a host that asks where it is published."""
    return asks(host, gateway(instance), instance.port)


def goes_around(instance: Instance, host: str) -> bool:
    """Say whether the server answers a host that knows a way to the container's own address."""
    return asks(host, instance.inspect()["NetworkSettings"]["Networks"][NETWORK]["IPAddress"], 5432)


def sibling_reaches(instance: Instance) -> bool:
    """Say whether the server answers another container of this machine, which docker-proxy serves."""
    options = ("--rm", "--network=bridge", "--entrypoint=pg_isready")
    command = ("-q", "-t", "1", "-h", gateway(instance), "-p", str(instance.port))
    return run("docker", "run", *options, instance.image, *command, check=False).returncode == 0


def chain(instance: Instance) -> list[str]:
    """Return the instance's own jumps of DOCKER-USER."""
    rules = run("iptables", "-w", "-S", "DOCKER-USER").stdout.splitlines()
    return [rule for rule in rules if f"--ctorigdstport {instance.port} " in rule]


def test_only_declared_sources_come_through(hardened: Instance, hosts: None) -> None:
    assert (reaches(hardened, "a"), reaches(hardened, "b")) == (True, True)
    assert (goes_around(hardened, "a"), goes_around(hardened, "b")) == (True, True)
    allowed = {"postgres_instance_allowed_sources": [f"{HOSTS['a']}.0/24"]}

    check = hardened.site("--tags", "instance", "--check", **allowed)
    assert check.count("changed") >= 1
    assert chain(hardened) == []

    hardened.site("--tags", "instance", **allowed)
    assert (reaches(hardened, "a"), reaches(hardened, "b")) == (True, False)
    assert (goes_around(hardened, "a"), goes_around(hardened, "b")) == (False, False)
    # What the documentation says of containers of the same machine.
    assert sibling_reaches(hardened)
    assert hardened.site("--tags", "instance", **allowed).count("changed") == 0

    # A rule that lets everybody through before ours, a rule that is gone, and no rule at all, as after a boot.
    (jump,) = chain(hardened)
    accepts = ("-p", "tcp", "--dport", "5432", "-j", "ACCEPT", "-m", "comment", "--comment", f"amt{SUFFIX}")
    ours, script = jump.rsplit(" ", 1)[1], str(hardened.directory / "firewall/firewall.sh")
    for command in (
        ("-I", "DOCKER-USER", "-p", "tcp", "-j", "RETURN", "-m", "comment", "--comment", f"amt{SUFFIX}"),
        ("-D", ours, "-j", "DROP"),
        ("-D", *jump.split()[1:]),
        ("-D", "FORWARD", "-j", "DOCKER-USER"),
        ("-I", "FORWARD", *accepts),
    ):
        run("iptables", "-w", *command)
        assert reaches(hardened, "b"), command
        assert run(script, "check", check=False).returncode == 1
        run(script, "apply")  # what the unit does before Docker starts
        assert not reaches(hardened, "b"), command
        assert run(script, "check", check=False).returncode == 0
    run("iptables", "-w", "-D", "FORWARD", *accepts)
    run("iptables", "-w", "-D", ours, "-j", "DROP")
    assert hardened.site("--tags", "instance", **allowed).count("changed") == 1
    assert not reaches(hardened, "b")
    run(
        "iptables", "-w", "-D", "DOCKER-USER", "-p", "tcp", "-j", "RETURN", "-m", "comment", "--comment", f"amt{SUFFIX}"
    )

    hardened.site("--tags", "instance")
    assert (reaches(hardened, "a"), reaches(hardened, "b")) == (True, True)
    assert ours not in run("iptables", "-w", "-S").stdout
    assert not (hardened.directory / "firewall").exists()


def test_nftables_decides_where_docker_keeps_no_rules(hardened: Instance, hosts: None) -> None:
    listed = {"postgres_instance_allowed_sources": [f"{HOSTS['a']}.0/24", "2001:db8::/32"]}
    # This machine's Engine keeps rules of iptables, so the role is told otherwise.
    nftables = ("--tags", "instance", "--extra-vars", "_postgres_instance_firewall_template=firewall-nftables.sh.j2")
    hardened.site(*nftables, **listed)
    script = str(hardened.directory / "firewall/firewall.sh")
    (table,) = (
        line.removeprefix("table=")
        for line in (hardened.directory / "firewall/firewall.sh").read_text().splitlines()
        if line.startswith("table=")
    )
    assert (reaches(hardened, "a"), reaches(hardened, "b")) == (True, False)
    assert (goes_around(hardened, "a"), goes_around(hardened, "b")) == (False, False)
    # What the documentation says of containers of the same machine.
    assert not sibling_reaches(hardened)
    assert hardened.site(*nftables, **listed).count("changed") == 0

    # Rules that somebody has changed, and none at all, as after a boot.
    for command in (("flush", "chain", "inet", table, "arriving"), ("delete", "table", "inet", table)):
        run("nft", *command)
        assert reaches(hardened, "b"), command
        assert run(script, "check", check=False).returncode == 1
        run(script, "apply")  # what the unit does before Docker starts
        assert not reaches(hardened, "b"), command
        assert run(script, "check", check=False).returncode == 0
    run("nft", "flush", "chain", "inet", table, "arriving")
    assert hardened.site(*nftables, **listed).count("changed") == 1
    assert not reaches(hardened, "b")

    # The Engine keeps rules of iptables after all.
    hardened.site("--tags", "instance", **listed)
    assert run("nft", "list", "table", "inet", table, check=False).returncode != 0
    assert (reaches(hardened, "a"), reaches(hardened, "b")) == (True, False)
    hardened.site(*nftables, **listed)
    hardened.site("--tags", "instance")
    assert run("nft", "list", "table", "inet", table, check=False).returncode != 0
    assert (reaches(hardened, "a"), reaches(hardened, "b")) == (True, True)
    assert not (hardened.directory / "firewall").exists()
