"""Here so that pytest puts the repository on the path: tests import core, rewards and ui as the app does."""
