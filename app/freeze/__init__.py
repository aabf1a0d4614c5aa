"""A change freeze: nobody changes anything, but for emergency patches that the security officer answers."""
