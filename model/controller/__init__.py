"""Parts of an interrupt controller: message routes, the LPI pending table, list registers."""
