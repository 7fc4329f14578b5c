-- What each product was called on each day: the day's last description. The load turns the changes into history.
SELECT
  stock_code,
  file_date,
  arg_max(description, line_no) AS description
FROM stage.sales
GROUP BY stock_code, file_date
