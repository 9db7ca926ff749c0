"""Models, versions, instances, the fleet, the model server and the prediction client."""
