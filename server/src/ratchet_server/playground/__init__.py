"""The demo's playground: links between its nodes that can be cut, and a control for its pages."""
