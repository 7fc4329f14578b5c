-- One row for each line of an invoice. The shop's export repeats some lines; the last of equal lines stays.
SELECT
  invoice_no,
  upper(trim(stock_code)) AS stock_code,
  trim(description) AS description,
  quantity,
  invoice_date,
  unit_price,
  trim(customer_id) AS customer_id,
  trim(country) AS country,
  _file_date AS file_date,
  max(_row) AS line_no
FROM raw.sales
GROUP BY
  invoice_no,
  upper(trim(stock_code)),
  trim(description),
  quantity,
  invoice_date,
  unit_price,
  trim(customer_id),
  trim(country),
  _file_date
