"""The models that come with Servery."""
