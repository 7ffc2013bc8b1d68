"""Deploy files: what is rendered for JOST and for another project, and that the tools they are for take them."""
