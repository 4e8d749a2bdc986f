-- matches: how many rows of each table have a partner of the same key in each other table.
-- Reads pins, geos and users; the text is the same for DuckDB and Spark SQL.
-- Rules: domain notes §2 (the keys join 1:1:1); docs/census.md, "Matches".
WITH pairs AS (
    SELECT t.place, t.pair
    FROM (
        VALUES
            (1, 'pin.geo'), (2, 'pin.user'), (3, 'geo.pin'), (4, 'geo.user'), (5, 'user.pin'), (6, 'user.geo')
    ) AS t (place, pair)
),
all_keys AS (
    SELECT 'pin' AS side, ind, count(*) AS row_count FROM pins GROUP BY ind
    UNION ALL
    SELECT 'geo' AS side, ind, count(*) AS row_count FROM geos GROUP BY ind
    UNION ALL
    SELECT 'user' AS side, ind, count(*) AS row_count FROM users GROUP BY ind
),
keyed AS (
    SELECT
        ind,
        sum(CASE WHEN side = 'pin' THEN row_count ELSE 0 END) AS pin_rows,
        sum(CASE WHEN side = 'geo' THEN row_count ELSE 0 END) AS geo_rows,
        sum(CASE WHEN side = 'user' THEN row_count ELSE 0 END) AS user_rows
    FROM all_keys
    GROUP BY ind
),
paired AS (
    SELECT 'pin.geo' AS pair, ind, pin_rows AS row_count, geo_rows AS partners FROM keyed WHERE pin_rows > 0
    UNION ALL
    SELECT 'pin.user' AS pair, ind, pin_rows AS row_count, user_rows AS partners FROM keyed WHERE pin_rows > 0
    UNION ALL
    SELECT 'geo.pin' AS pair, ind, geo_rows AS row_count, pin_rows AS partners FROM keyed WHERE geo_rows > 0
    UNION ALL
    SELECT 'geo.user' AS pair, ind, geo_rows AS row_count, user_rows AS partners FROM keyed WHERE geo_rows > 0
    UNION ALL
    SELECT 'user.pin' AS pair, ind, user_rows AS row_count, pin_rows AS partners FROM keyed WHERE user_rows > 0
    UNION ALL
    SELECT 'user.geo' AS pair, ind, user_rows AS row_count, geo_rows AS partners FROM keyed WHERE user_rows > 0
),
counted AS (
    SELECT
        pair,
        sum(row_count) AS row_count,
        sum(CASE WHEN partners > 0 THEN row_count ELSE 0 END) AS matched_count
    FROM paired
    GROUP BY pair
),
alone AS (
    SELECT pair, ind, row_number() OVER (PARTITION BY pair ORDER BY ind) AS place
    FROM paired
    WHERE partners = 0
),
firsts AS (
    SELECT pair, array_sort(array_agg(ind)) AS first_unmatched
    FROM alone
    WHERE place <= 5
    GROUP BY pair
)
SELECT
    p.pair,
    CAST(coalesce(c.row_count, 0) AS BIGINT) AS row_count,
    CAST(coalesce(c.matched_count, 0) AS BIGINT) AS matched_count,
    CAST(coalesce(c.row_count - c.matched_count, 0) AS BIGINT) AS unmatched_count,
    CAST(c.matched_count AS DOUBLE) / CAST(c.row_count AS DOUBLE) AS matched_share,
    f.first_unmatched
FROM pairs AS p
LEFT JOIN counted AS c ON c.pair = p.pair
LEFT JOIN firsts AS f ON f.pair = p.pair
ORDER BY p.place
