"""Reports over sales: heavy work that a request only asks for."""
