"""The HTTP and WebSocket interface: routers, keys, problems, events. It holds no state of a run."""
