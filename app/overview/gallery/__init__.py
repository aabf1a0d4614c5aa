"""Samples of /_components: each component in each of its states, in the view models that the real pages use."""
