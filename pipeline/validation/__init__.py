"""`penstock validate`: what is compared, which rows are not as the schema says, where they stand, how it is told."""
