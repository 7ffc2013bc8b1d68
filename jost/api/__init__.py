"""What all REST resources of JOST share: order and pages of lists, strict bodies, owners, rates."""
