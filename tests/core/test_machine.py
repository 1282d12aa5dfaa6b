import pytest

from core.machine import GB, Gpu, Machine, read_gpu, this_machine


def test_this_machine_has_cores_and_memory_of_which_some_is_free():
    machine = this_machine()
    assert machine.cores >= 1
    assert 0 < machine.free <= machine.memory


def test_a_gpu_is_read_from_what_nvidia_smi_says():
    assert read_gpu("NVIDIA H200, 143771, 1000, 9.0\n") == Gpu(
        "NVIDIA H200", pytest.approx(150.75, abs=0.01), pytest.approx(149.7, abs=0.01), True
    )
    assert read_gpu("Tesla T4, 15360, 0, 7.5").bf16 is False


@pytest.mark.parametrize("said", ["", "No devices were found", "a, b, c, d"])
def test_anything_else_that_it_says_is_no_gpu(said):
    assert read_gpu(said) is None


def test_a_run_computes_where_there_is_a_gpu_on_it():
    gpu = Gpu("x", 80.0, 79.0, True)
    assert (Machine(2, 24.0, 20.0, False, gpu).room, Machine(2, 24.0, 20.0, False, gpu).half) == (79.0, True)
    assert (Machine(2, 24.0, 20.0, False).room, Machine(2, 24.0, 20.0, False).half) == (20.0, False)


def test_what_a_container_has_taken_is_not_free_but_its_pages_of_files_are(tmp_path, monkeypatch):
    monkeypatch.setattr("core.machine.CGROUP", tmp_path)
    (tmp_path / "memory.max").write_text("400000000\n")
    (tmp_path / "memory.current").write_text("300000000\n")
    (tmp_path / "memory.stat").write_text("anon 200000000\nactive_file 60000000\ninactive_file 40000000\n")
    assert this_machine().free * GB == pytest.approx(200e6)
    assert this_machine().memory * GB == pytest.approx(400e6)
