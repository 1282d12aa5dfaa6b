"""What runs in the worker process and nowhere else: with core.models, the only room that imports torch and TRL."""
