-- posts_by_place: every pin with the place that it was posted from, which q1, q2, q3a and q3b share.
-- Reads pins and geos; the text is the same for DuckDB and Spark SQL.
-- Rules: the answers' contract (join, years of UTC); domain notes §6.
SELECT
    g.country,
    CAST(year(g.timestamp) AS BIGINT) AS post_year,
    p.category,
    p.poster_name,
    p.follower_count
FROM pins AS p
JOIN geos AS g ON g.ind = p.ind
