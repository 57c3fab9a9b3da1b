"""The address that a worker advertises to gateways."""

import socket

import pytest

from services.worker.app import dialable_address


@pytest.mark.parametrize("target", ["127.0.0.1:50061", "10.1.2.3:50061", "[fd00::2]:50061", "worker-3:50061"])
def test_an_address_of_one_host_is_advertised_as_it_is(target):
    assert dialable_address(target) == target


@pytest.mark.parametrize("wildcard", ["0.0.0.0", "[::]"])
def test_a_worker_that_listens_everywhere_advertises_the_name_of_its_host(wildcard):
    assert dialable_address(f"{wildcard}:50061") == f"{socket.gethostname()}:50061"
