"""Sensor logs: the forms in which people have them, and what is refused at which line."""

import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from app.logs.log import read_log
from solver import InvalidExperiment

DATA = Path(__file__).parents[1] / ".." / "shared" / "data"


def real_file(name):
    if not (DATA / name).exists():
        pytest.skip(f"shared/data/{name} is not here")
    return (DATA / name).read_bytes()


def table(log):
    return {name: column.values.tolist() for name, column in log.columns.items()}


SAME = {  # one log in many forms
    "comma": "time,A,B\n0,1,2\n60,1.5,-3\n",
    "semicolon": "time;A;B\n0;1;2\n60;1.5;-3\n",
    "tab": "time\tA\tB\n0\t1\t2\n60\t1.5\t-3\n",
    "blanks": "time A   B\n 0 1   2\n60  1.5 -3\n",
    "decimal commas": "time;A;B\n0;1,0;2\n60;1,5;-3\n",
    "decimal commas, tab": "time\tA\tB\n0\t1\t2\n60\t1,5\t-3\n",
    "CRLF": "time,A,B\r\n0,1,2\r\n60,1.5,-3\r\n",
    "CR": "time,A,B\r0,1,2\r60,1.5,-3",
    "byte order mark": "\ufefftime,A,B\n0,1,2\n60,1.5,-3\n",
    "quotes": '"time","A","B"\n"0","1","2"\n"60","1.5","-3"\n',
    "comments": "# of a logger, serial; 12\n\ntime,A,B\n# start\n0,1,2\n\n  \n60,1.5,-3\n",
    "blanks around": "time , A , B\n0 , 1 , 2\n60 , 1.5, -3\n",
    "separators at the end": "time,A,B,,\n0,1,2,,\n60,1.5,-3,,\n",
    "minutes in brackets": "time [min],A,B\n0,1,2\n1,1.5,-3\n",
    "minutes in the name": "time_min,A,B\n0,1,2\n1,1.5,-3\n",
    "hours": "t (h),A,B\n0,1,2\n0.016666666666666666,1.5,-3\n",
    "a row of units": "time,A,B\nmin,V,-\n0,1,2\n1,1.5,-3\n",
    "time later": "A,B,Zeit\n1,2,0\n1.5,-3,60\n",
    "ISO": "time,A,B\n2014-11-09 16:00,1,2\n2014-11-09 16:01,1.5,-3\n",
    "ISO, zone": "time,A,B\n2014-11-09T16:00Z,1,2\n2014-11-09T17:01+01:00,1.5,-3\n",
    "German": "Zeit;A;B\n31.12.2014 23:59;1;2\n1.1.2015 0:00;1,5;-3\n",
    "American": "time,A,B\n12/31/2014 11:59 PM,1,2\n1/1/2015 12:00 AM,1.5,-3\n",
    "British": "time,A,B\n31/12/2014 23:59,1,2\n01/01/2015 00:00:00,1.5,-3\n",
    "slashes": "time,A,B\n2014/12/31 23:59,1,2\n2015/01/01 00:00,1.5,-3\n",
    "date and time apart": "Date,Time,A,B\n2014-12-31,23:59,1,2\n2015-01-01,00:00,1.5,-3\n",
    "long": "time,sensor,value\n0,A,1\n0,B,2\n60,A,1.5\n60,B,-3\n",
    "long, by sensor": "sensor;time;value\nA;0;1\nA;60;1,5\nB;0;2\nB;60;-3\n",
}


@pytest.mark.parametrize("form", SAME)
def test_one_log_in_many_forms(form):
    for text in (SAME[form], SAME[form].encode()):
        log = read_log(text)
        assert log.times.tolist() == pytest.approx([0.0, 60.0], abs=1e-9)
        assert table(log) == {"A": [1.0, 1.5], "B": [2.0, -3.0]}
        assert log.notes == ()


@pytest.mark.parametrize(
    "header", ["T [°C]", "T (degC)", "T / °C", "T/degC", "T [C]", '"T [°C]"', "T ( °C )"]
)
def test_units_stand_in_the_header(header):
    log = read_log(f"time,{header}\n0,20\n1,21.5\n")
    column = log.columns["T"]
    assert column.quantity == "temperature"
    assert column.values.tolist() == [293.15, 294.65]


@pytest.mark.parametrize(
    "name", ["T (left)", "T (A)", "T (in)", "8 cm", "in/out", "T_m", "x=0.02 m"]
)
def test_what_only_looks_like_a_unit_belongs_to_the_name(name):
    column = read_log(f"time,{name}\n0,20\n1,21\n").columns[name]
    assert (column.unit, column.quantity, column.values.tolist()) == ("", None, [20.0, 21.0])


def test_the_side_mapping_wins():
    text = "time [s],T [K],q (W/m2),U [mV],bad [foo]\n0,20,1,5,1\n1,21,2,6,2\n"
    units = {"time": "h", "T": "°C", "q (W/m2)": "kW/m2", "bad": "-"}
    log = read_log(text, units=units)
    assert log.times.tolist() == [0.0, 3600.0]
    assert table(log) == {
        "T": [293.15, 294.15], "q (W/m2)": [1e3, 2e3], "U": [5.0, 6.0], "bad": [1.0, 2.0]
    }  # fmt: skip
    kinds = [column.quantity for column in log.columns.values()]
    assert kinds == ["temperature", "flux", None, None]
    assert log.reading == {"time": "time", "units": units}


@pytest.mark.parametrize("word", ["", "NA", "NaN", "nan", "null", "NULL", "-", "N/A", " nA "])
def test_missing_cells(word):
    log = read_log(f"time,T\n0,1\n1,{word}\n2,3\n")
    np.testing.assert_array_equal(log.columns["T"].values, [1.0, np.nan, 3.0])


@pytest.mark.parametrize(
    ("cells", "missing"),
    [
        ([20, 21, -9999, 22], True),
        ([20, 21, -99.9, 22], True),
        ([-30, 40, -999, 22], True),
        ([-80, -150, -99, -90], False),  # among its neighbours
        ([-60, 30, -99.9, 10], False),  # not far from them
        ([20, 21, -98, 22], False),  # no logger writes that
    ],
)
def test_sentinels_that_lie_far_out_are_missing(cells, missing):
    rows = "\n".join(f"{i},{cell}" for i, cell in enumerate(cells))
    log = read_log(f"time,T\n{rows}\n")
    assert np.isnan(log.columns["T"].values).tolist() == [c == cells[2] and missing for c in cells]
    assert log.notes == ((f"{cells[2]:g} is taken as missing: T (1)",) if missing else ())


def test_rows_outside_the_range_are_dropped_and_times_count_from_its_start():
    text = "t [min],T\n0,1\n1,2\n2,3\n3,4\n"
    log = read_log(text, start=0.5, end="2 min")
    assert log.times.tolist() == [30.0, 90.0]
    assert table(log) == {"T": [2.0, 3.0]}
    assert log.origin is None
    assert log.reading == {"time": "t", "start": 0.5, "end": "2 min"}
    assert read_log(text, start="60 s").times.tolist() == [0.0, 60.0, 120.0]
    dropped = "time,T\n1,1\n0,2\n1,bad\n"  # may be wrong
    assert table(read_log(f"{dropped}2,5\n3,6\n", start=2.0)) == {"T": [5.0, 6.0]}


def test_stamps_have_an_origin():
    text = "time,T\n2014-11-09T16:00+01:00,1\n2014-11-09T17:00+01:00,2\n"
    assert read_log(text).origin == datetime(2014, 11, 9, 15, tzinfo=UTC)
    log = read_log(text, start="2014-11-09 16:30")  # in the file's zone
    assert log.times.tolist() == [1800.0]
    assert log.origin == datetime(2014, 11, 9, 15, 30, tzinfo=UTC)
    assert log.clock.mark(0) == "2014-11-09T17:00:00+01:00"


def test_eight_digits_are_a_date_where_the_header_says_so():
    rows = "20140131,1\n20140201,2\n"
    assert read_log(f"LST_DATE,T\n{rows}").times.tolist() == [0.0, 86400.0]
    assert read_log(f"time,T\n{rows}").times.tolist() == [0.0, 70.0]


def test_the_time_is_what_is_asked_for_or_named_so_or_increases():
    text = "n,T,stamp,time_s\n1,5,2014-01-01,0\n2,4,2014-01-02,9\n"
    assert read_log(text).reading["time"] == "stamp"
    assert read_log(text, time="time_s").times.tolist() == [0.0, 9.0]
    log = read_log(text, time="n")
    assert (list(log.columns), log.notes) == (["T"], ("left out (another time): stamp, time_s",))
    assert read_log(",T\n0,5\n7,4\n").reading["time"] == "column 1"
    assert read_log("T,k\n5,0\n4,7\n").reading["time"] == "k"


def test_columns_of_text_and_of_parameters_are_left_out_and_said():
    text = "time,T,state,rho,none\n0,1,ok,7850,\n1,2,bad,,\n2,3,ok,,\n"
    log = read_log(text)
    assert table(log) == {"T": [1.0, 2.0, 3.0]}
    assert log.notes == (
        "left out (no numbers): state",
        "left out (7850 in the first row only, a parameter?): rho",
        "left out (no readings): none",
    )


def test_long_form_has_a_gap_where_a_sensor_did_not_read():
    text = "time,depth [m],T [degC],flag\n0,0.5,1,x\n0,1,2,x\n60,1,3,x\n90,0.5,NA,y\n95,0.5,4,y\n"
    log = read_log(text)
    assert list(log.columns) == ["0.5 m", "1 m"]
    nan = np.nan
    np.testing.assert_array_equal(log.columns["0.5 m"].values, [274.15, nan, nan, 277.15])
    assert log.times.tolist() == [0.0, 60.0, 90.0, 95.0]


def test_long_form_is_not_seen_in_a_wide_log_with_a_wrong_time():
    with pytest.raises(InvalidExperiment, match="the time 1 stands twice"):
        read_log("time,x,T\n0,0.1,1\n1,0.2,2\n1,0.3,3\n2,0.4,5\n")
    log = read_log("time,name,T\n0,A,1\n1,B,2\n2,A,3\n3,B,4\n")
    assert list(log.columns) == ["T"]


def test_a_temperature_below_zero_kelvin_is_said():
    assert "is it in degrees Celsius?" in read_log("time,T [K]\n0,-5\n1,3\n").notes[0]
    assert read_log("time,T [degC]\n0,-5\n1,3\n").notes == ()


def test_glacier():
    log = read_log(real_file("glenglat_rikha_samba/borehole_247_hourly_wide.csv"))
    assert len(log.times) == 2366
    assert log.origin == datetime(2014, 11, 9, 16)
    assert list(log.columns)[::5] == ["T_0.05m", "T_1.5m", "T_10m"]
    by_seconds = read_log(
        real_file("glenglat_rikha_samba/borehole_247_hourly_wide.csv"), time="time_s"
    )
    np.testing.assert_array_equal(by_seconds.times, log.times)


def test_wall_with_parameters_in_its_first_row():
    log = read_log(real_file("musil_flux_wall/DATA.csv"), units={"HeatFlux": "kW/m2"})
    assert list(log.columns) == ["Temperature", "HeatFlux", "T_amb"]
    assert log.columns["HeatFlux"].values[0] == pytest.approx(1300.9)
    assert len(log.notes) == 6
    assert "left out (13.5 in the first row only, a parameter?): Material_lmbd" in log.notes


def test_soil_with_sentinels():
    log = read_log(real_file("uscrn_daily/IN_Bedford_5_WNW.txt"), start="2009-09-09")
    assert np.all(np.diff(log.times) == 86400.0)
    soil = log.columns["SOIL_TEMP_5_DAILY"].values
    assert (np.isnan(soil).sum(), np.nanmin(soil) > -20) == (8, True)
    assert "left out (no numbers): SUR_TEMP_DAILY_TYPE" in log.notes
    assert any(note.startswith("-99 is taken as missing: SOIL_MOISTURE") for note in log.notes)


def test_tables_and_a_file_without_a_header():
    log = read_log(real_file("fds_analytic/heat_conduction_kc_cartesian.csv"))
    assert list(log.columns) == ["Surface", "Center"]
    with pytest.raises(InvalidExperiment, match="the first line holds numbers"):
        read_log(real_file("cme216_heat/problem1.txt"))


def test_a_hundred_thousand_rows_are_read_in_seconds():
    values = np.random.default_rng(5).normal(20.0, 1.0, (100_000, 12)).round(4)
    rows = (f"{i}," + ",".join(map(str, row)) for i, row in enumerate(values.tolist()))
    text = "time," + ",".join(f"T_{i}m" for i in range(12)) + "\n" + "\n".join(rows)
    start = time.process_time()
    log = read_log(text)
    assert time.process_time() - start < 10.0  # about 1 s; a busy machine may take longer
    np.testing.assert_array_equal(log.columns["T_11m"].values, values[:, 11])
