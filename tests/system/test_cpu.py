"""How many cores a process may use, and how many others leave it."""

import os
import time

import pytest

from seqcli.system import cpu


def test_what_is_free_is_ours_or_idle():
    before, after = cpu.Usage(10.0, 3.0, 100.0), cpu.Usage(12.0, 6.0, 100.5)
    assert after.free(before) == pytest.approx((3.0 + 0.5) / 2)


@pytest.mark.skipif(not os.path.exists("/proc/stat"), reason="counts from /proc")
def test_own_work_is_counted():
    before = cpu.Usage.now()
    end = time.process_time() + 0.1
    while time.process_time() < end:
        pass
    after = cpu.Usage.now()
    assert after.own - before.own >= 0.05  # the kernel counts in hundredths
    assert after.free(before) <= (os.cpu_count() or 1) + 1


@pytest.mark.parametrize(
    "files, expected",
    [
        ({"self": "0::/a/b\n", "a/b/cpu.max": "150000 100000", "a/cpu.max": "max 100000"}, 1.5),
        ({"self": "0::/a/b\n", "a/b/cpu.max": "max 100000", "a/cpu.max": "50000 100000"}, 0.5),
        (
            {"self": "1:cpu,cpuacct:/c\n", "cpu/c/cpu.cfs_quota_us": "200000\n", "cpu/c/cpu.cfs_period_us": "100000\n"},
            2.0,
        ),
        ({"self": "1:cpu:/c\n", "cpu/c/cpu.cfs_quota_us": "-1\n", "cpu/c/cpu.cfs_period_us": "100000\n"}, None),
        ({"self": "1:memory:/c\n"}, None),
    ],
)
def test_a_containers_quota_is_a_limit(tmp_path, monkeypatch, files, expected):
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.setattr(cpu, "_CGROUPS", tmp_path)
    monkeypatch.setattr(cpu, "_OWN", tmp_path / "self")
    assert cpu._quota() == expected
    assert 1 <= cpu.allowed() <= max(1, int(expected or 1e9))
