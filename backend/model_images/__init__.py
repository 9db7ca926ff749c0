"""Makes container images of versions, one after the other, on request and after promotions."""
