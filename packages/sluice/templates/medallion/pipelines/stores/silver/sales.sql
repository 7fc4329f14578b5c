-- Sales with tidy names and their amount.
SELECT
  sale_id,
  sold_on,
  upper(trim(store)) AS store,
  trim(product) AS product,
  lower(channel) AS channel,
  quantity,
  unit_price,
  quantity * unit_price AS amount
FROM bronze.sales
