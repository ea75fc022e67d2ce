//! GP: the nearest on a sphere, with a bias.

use rhumb::answer::Asker;

use super::{WWW, explain, nth};
use crate::harness::{Ask, Setup, assert_error, in_country, load, zone};

const W: &str = "38.90,-77.01";
const L: &str = "51.50,-0.16";

/// Endpoints with places and biases, and clients at these points in 81.2.N.0/24.
fn setup(members: &[(&str, i32)], clients: &[(f64, f64)]) -> Setup {
    let mut text = String::from("[checks.c]\ntype = \"tcp\"\nport = 80\n");
    let mut to = Vec::new();
    for (n, (at, bias)) in members.iter().enumerate() {
        let n = n + 1;
        text += &format!("[endpoints.e{n}]\nA = \"192.0.2.{n}\"\nat = \"{at}\"\ncheck = \"c\"\n");
        to.push(format!("{{ endpoint = \"e{n}\", bias = {bias} }}"));
    }
    text += &format!("[routes.web]\npolicy = \"geoproximity\"\nto = [{}]\n", to.join(", "));
    let mut setup = Setup::new("www = { route = \"web\" }", &text);
    for (n, &at) in clients.iter().enumerate() {
        setup = setup.place(&format!("81.2.{}.0/24", n + 1), in_country("CA", Some(at)));
    }
    setup
}

const ST_JOHNS: (f64, f64) = (47.56, -52.71);

#[track_caller]
fn nearest(members: &[(&str, i32)], client: (f64, f64)) -> String {
    setup(members, &[client]).build().a(WWW, "81.2.1.0/24")
}

#[test]
fn gp1_st_johns_goes_to_washington_and_reykjavik_and_the_azores_to_london() {
    let fixture = setup(&[(W, 0), (L, 0)], &[ST_JOHNS, (64.15, -21.94), (37.74, -25.67)]).build();
    assert_eq!(fixture.a(WWW, "81.2.1.0/24"), nth(1));
    assert_eq!(fixture.a(WWW, "81.2.2.0/24"), nth(2));
    assert_eq!(fixture.a(WWW, "81.2.3.0/24"), nth(2));
}

#[test]
fn gp2_st_johns_turns_to_london_between_41_and_42() {
    assert_eq!(nearest(&[(W, 0), (L, 41)], ST_JOHNS), nth(1));
    assert_eq!(nearest(&[(W, 0), (L, 42)], ST_JOHNS), nth(2));
    assert_eq!(nearest(&[(W, -41), (L, 0)], ST_JOHNS), nth(1));
    assert_eq!(nearest(&[(W, -42), (L, 0)], ST_JOHNS), nth(2));
}

#[test]
fn gp3_150_km_at_plus_50_beats_100_km_at_0() {
    // A degree of the equator is 111.195 km.
    let members = [("0,0.8993", 0), ("0,-1.3490", 50)];
    assert_eq!(nearest(&members, (0.0, 0.0)), nth(2));
    let members = [("0,0.8993", 0), ("0,-1.3490", 0)];
    assert_eq!(nearest(&members, (0.0, 0.0)), nth(1));
}

#[test]
fn gp4_the_date_line_is_no_edge() {
    assert_eq!(nearest(&[("0,170", 0), ("0,-179", 0)], (0.0, 179.0)), nth(2));
    assert_eq!(nearest(&[("0,-170", 0), ("0,179", 0)], (0.0, -179.0)), nth(2));
}

#[test]
fn gp5_down_goes_to_the_next_and_all_down_to_the_nearest() {
    let members = [(L, 0), (W, 0), ("45.50,-73.57", 0)];
    let answer = |down: &[&str]| setup(&members, &[ST_JOHNS]).down(down).build().a(WWW, "81.2.1.0/24");
    assert_eq!(answer(&[]), nth(3));
    assert_eq!(answer(&["e3"]), nth(2));
    assert_eq!(answer(&["e3", "e2"]), nth(1));
    assert_eq!(answer(&["e1", "e2", "e3"]), nth(3));
}

#[test]
fn gp5_past_the_depth_of_a_region_down_goes_to_the_nearest_to_the_nearest() {
    let members = [(L, 0), (W, 0), ("45.50,-73.57", 0)];
    let shallow = |down: &[&str]| setup(&members, &[ST_JOHNS]).server("depth = 1").down(down).build();
    let answer = |down: &[&str]| shallow(down).a(WWW, "81.2.1.0/24");
    assert_eq!(answer(&[]), nth(3));
    assert_eq!(answer(&["e3"]), nth(2));
    assert_eq!(answer(&["e3", "e2"]), nth(1));
    let biased = setup(&[(L, 0), (W, -99), ("45.50,-73.57", 0)], &[ST_JOHNS]).server("depth = 1").down(&["e3"]).build();
    assert_eq!(biased.a(WWW, "81.2.1.0/24"), nth(1), "a bias counts there too");
}

#[test]
fn gp6_no_place_known_is_the_first_member() {
    // London is nearer to where the meridian of Greenwich crosses the equator than Washington is.
    let setup = setup(&[(W, 0), (L, 0)], &[ST_JOHNS]);
    let fixture = setup.build();
    assert_eq!(fixture.a(WWW, "99.1.2.0/24"), nth(1));
    assert_eq!(fixture.ask(&Ask::a(WWW)).only(), nth(1));
    assert_eq!(setup.down(&["e1"]).build().a(WWW, "99.1.2.0/24"), nth(2));
}

#[test]
fn gp_a_bias_is_an_integer_from_minus_99_to_99() {
    for wrong in ["100", "-100", "0.5"] {
        let text = format!(
            "[endpoints.p]\nA = \"192.0.2.1\"\nat = \"1,1\"\n[routes.web]\npolicy = \"geoproximity\"\n\
             to = [{{ endpoint = \"p\", bias = {wrong} }}]"
        );
        assert_error(&load(&zone("www = { route = \"web\" }", &text)), &["bias"]);
    }
}

#[test]
fn gp6_explain_says_that_no_place_is_known() {
    let fixture = setup(&[(W, 0), (L, 0)], &[ST_JOHNS]).build();
    let explanation = explain(&fixture, Asker::Subnet([99, 1, 2, 0].into(), 24));
    let place = &explanation.decisions[0].place;
    assert!(place.continent.is_none() && place.country.is_none() && place.at.is_none() && place.asn.is_none());
    assert!(explanation.decisions[0].nodes[0].candidates.iter().all(|candidate| candidate.measure.is_none()));
    let known = explain(&fixture, Asker::Subnet([81, 2, 1, 0].into(), 24));
    assert_eq!(known.decisions[0].nodes[0].candidates[0].measure.as_deref(), Some("2179.2 km"));
}
