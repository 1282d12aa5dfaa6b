"""The app in the browser: one module per page, the only place besides app.py that knows of gradio."""
