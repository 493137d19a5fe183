"""HTTP: connections, middleware, forms, problem details."""
