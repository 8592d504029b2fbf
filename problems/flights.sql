-- Asked at the moment of departure: nothing that is known only later (arr_time, arr_delay, air_time) may leave this
-- query, but for the label. Weather is the hour's at the origin; planes are unknown for a sixth of the flights.
SELECT
    CAST(flights.arr_delay > 15 AS INTEGER) AS late,
    flights.time_hour,
    flights.dep_delay,
    flights.carrier,
    flights.origin,
    flights.dest,
    flights.distance,
    flights.sched_dep_time // 100 * 60 + flights.sched_dep_time % 100 AS sched_dep_minute,
    flights.sched_arr_time // 100 * 60 + flights.sched_arr_time % 100 AS sched_arr_minute,
    (sched_arr_minute - sched_dep_minute + 1440) % 1440 AS sched_minutes,
    weather.temp,
    weather.dewp,
    weather.humid,
    weather.wind_dir,
    weather.wind_speed,
    weather.wind_gust,
    weather.precip,
    weather.pressure,
    weather.visib,
    planes.year AS plane_year,
    planes.seats AS plane_seats,
    planes.manufacturer AS plane_manufacturer,
    planes.model AS plane_model
FROM flights
LEFT JOIN weather ON weather.origin = flights.origin AND weather.time_hour = flights.time_hour
LEFT JOIN planes ON planes.tailnum = flights.tailnum
