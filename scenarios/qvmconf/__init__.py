"""Reading `qvm` configuration text into typed, plain data with every place kept."""
