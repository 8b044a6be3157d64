"""The outside world in small: a stand-in for a Saleor shop, for the demo and for journeys in tests."""
