-- Orion had no stores: its sales belong to store 0.
SELECT store_id AS store_key, name, opened_on FROM stage.stores
UNION ALL
SELECT 0 AS store_key, 'Before stores' AS name, NULL AS opened_on
