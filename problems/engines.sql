-- Asked after each cycle: a row is what an engine's last 30 cycles say, up to the one it has just flown: of each sensor the
-- mean of the last 5 and of all of them, and how much it rises a cycle; an engine with fewer has what there is. Nothing behind that cycle may enter but for the label, which is held at 125 cycles: an engine without wear
-- shows nothing of when it will fail. Engines of the train file run until they fail. Those of the test file are cut off
-- before and asked once, at their last cycle; what was left to them then stands in the line of their number in the third
-- file. One engine of seven, by a hash of its number, is left aside for the eval split. Sensors that never change at one
-- altitude and throttle (1, 5, 6, 10, 16, 18, 19) are left out. A reading that is no number (copies of the
-- files have some) is the engine's last one.
WITH cycles AS (
    SELECT
        file_part,
        list_transform(
            string_split(trim(text), ' '), lambda cell: nullif(TRY_CAST(cell AS DOUBLE), CAST('nan' AS DOUBLE))
        ) AS cells,
        CAST(cells[1] AS INTEGER) AS engine,
        CAST(cells[2] AS INTEGER) AS cycle,
        cells[7] AS sensor_2,
        cells[8] AS sensor_3,
        cells[9] AS sensor_4,
        cells[12] AS sensor_7,
        cells[13] AS sensor_8,
        cells[14] AS sensor_9,
        cells[16] AS sensor_11,
        cells[17] AS sensor_12,
        cells[18] AS sensor_13,
        cells[19] AS sensor_14,
        cells[20] AS sensor_15,
        cells[22] AS sensor_17,
        cells[25] AS sensor_20,
        cells[26] AS sensor_21
    FROM (SELECT 'train' AS file_part, text FROM train UNION ALL SELECT 'test' AS file_part, text FROM test)
),
readings AS (
    SELECT file_part, engine, cycle, last_value(COLUMNS('sensor_.*') IGNORE NULLS) OVER until_now
    FROM cycles
    WINDOW until_now AS (PARTITION BY file_part, engine ORDER BY cycle)
)
SELECT
    CASE
        WHEN file_part = 'test' THEN 'test'
        WHEN md5_number_lower(CAST(engine AS VARCHAR)) % 7 = 0 THEN 'eval'
        ELSE 'train'
    END AS part,
    file_part || ' ' || engine AS engine,
    max(cycle) OVER of_engine - cycle + if(file_part = 'test', CAST(trim(remaining.text) AS INTEGER), 0) AS cycles_to_failure,
    least(cycles_to_failure, 125) AS cycles_left,
    avg(COLUMNS('(sensor_.*)')) OVER last_5 AS '\1_now',
    avg(COLUMNS('(sensor_.*)')) OVER last_30 AS '\1_mean',
    regr_slope(COLUMNS('(sensor_.*)'), cycle) OVER last_30 AS '\1_rise'
FROM readings
LEFT JOIN remaining ON remaining.line = readings.engine
WINDOW
    of_engine AS (PARTITION BY file_part, readings.engine),
    last_5 AS (PARTITION BY file_part, readings.engine ORDER BY cycle ROWS 4 PRECEDING),
    last_30 AS (PARTITION BY file_part, readings.engine ORDER BY cycle ROWS 29 PRECEDING)
QUALIFY file_part = 'train' OR cycle = max(cycle) OVER of_engine
