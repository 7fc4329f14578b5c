-- What the owner of the database does once, so that its changes can be read: `npx sluice cdc setup shop` prints it.
CREATE PUBLICATION sluice_shop FOR TABLE sellers, customers, products, orders, items, payments, refunds, reviews;
GRANT SELECT ON sellers, customers, products, orders, items, payments, refunds, reviews TO sluice_reader;
