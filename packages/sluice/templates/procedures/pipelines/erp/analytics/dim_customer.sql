-- One customer from two systems that disagree. They are the same where the address is the same, whatever its capitals and spaces.
-- Vega is right about names and countries, because it is kept; Orion knows since when.
WITH
  orion AS (
    SELECT customer_no, full_name, lower(trim(email)) AS email, country, since
    FROM stage.orion_customers
  ),
  vega AS (
    SELECT id, given_name || ' ' || family_name AS name, lower(trim(email)) AS email, country_code, CAST(created_at AS DATE) AS since
    FROM stage.vega_customers
  )
SELECT
  coalesce('V' || vega.id, 'O' || substr(orion.customer_no, 3)) AS customer_key,
  vega.id AS vega_id,
  orion.customer_no AS orion_no,
  coalesce(vega.name, orion.full_name) AS name,
  coalesce(vega.email, orion.email) AS email,
  coalesce(
    vega.country_code,
    CASE orion.country
      WHEN 'GERMANY' THEN 'DE'
      WHEN 'FRANCE' THEN 'FR'
      WHEN 'UNITED KINGDOM' THEN 'GB'
      WHEN 'SWEDEN' THEN 'SE'
      WHEN 'TURKEY' THEN 'TR'
    END
  ) AS country,
  least(orion.since, vega.since) AS customer_since
FROM vega
FULL JOIN orion ON orion.email = vega.email
