use integration_tests::fleet_sim::*;
fn main() {
    let mut scenario = Scenario::new(Class::Calm, 1);
    scenario.is_traced = true;
    let outcome = simulate(&scenario).unwrap();
    print!("{}", outcome.trace);
    println!("{:?}", outcome.violation);
}
