"""Two ways to write a shop's address are one shop; two shops never share one."""

import pytest

from plugin.errors import Invalid
from plugin.shops.address import canonical, domain


@pytest.mark.parametrize(
    "written",
    [
        "https://shop.example/graphql/",
        "https://shop.example/graphql",
        "HTTPS://Shop.Example/graphql/",
        "https://shop.example:443/graphql/",
        "https://shop.example/graphql//",
    ],
)
def test_one_shop_has_one_address(written):
    assert canonical(written) == "https://shop.example/graphql/"


@pytest.mark.parametrize(
    "written",
    [
        "http://shop.example/graphql/",
        "https://shop.example:8443/graphql/",
        "https://shop.example/GraphQL/",
        "https://shop.example/",
        "http://[::1]:8000/graphql/",
        "http://shop.example:443/graphql/",
        "https://xn--shp-fna.example/graphql/",
        "https://my_shop-1.example/a..b/~c/",
    ],
)
def test_other_addresses_stay_what_they_are(written):
    assert canonical(written) == written


@pytest.mark.parametrize(
    "written",
    [
        "",
        "shop.example/graphql/",
        "ftp://shop.example/graphql/",
        "https:///graphql/",
        "https://user@shop.example/graphql/",
        "https://shop.example@evil.example/graphql/",
        "https://shop.example\\@evil.example/graphql/",
        "https://shop.example/graphql/?a=b",
        "https://shop.example/graphql/#a",
        "https://shop.example/graph ql/",
        "https://shop.example/graphql/\n",
        "https://shop.example:port/graphql/",
        "https://shop.example:99999/graphql/",
        "https://sh\u00f6p.example/graphql/",
        "https://[::1/graphql/",
        "https://[fe80::1%25eth0]/graphql/",
        "https://shop.example./graphql/",
        "https://shop..example/graphql/",
        "https://.shop.example/graphql/",
        "https://shop.example%2fevil.example/graphql/",
        "https://shop.example;evil.example/graphql/",
        "https://shop.example,evil.example/graphql/",
        "https://shop.example/graphql/../",
        "https://shop.example/./graphql/",
        "https://shop.example/graphql/..",
        "https://shop.example/%2e%2e/graphql/",
        "https://shop.example//graphql/",
        "https://shop.example/" + "x" * 300,
    ],
)
def test_what_is_no_plain_address_is_refused(written):
    with pytest.raises(Invalid):
        canonical(written)


def test_the_domain_is_the_part_that_people_know():
    assert domain("https://shop.example:8443/graphql/") == "shop.example:8443"
