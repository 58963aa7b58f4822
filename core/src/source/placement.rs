//! Which member runs which receiver.

/// The member of each receiver, from the host that each prefers and the host of each member; `None` where there is no
/// preference, or a host is not known. Pure: every member finds the same.
///
/// As Spark places them: those that prefer a host go first, each to the member there that has the fewest; then each of the
/// others goes to the member that has the fewest of all. Where several have as few, it is the one with the lowest number.
/// A receiver that prefers a host without a member is placed like one that prefers none.
pub(crate) fn place(preferred: &[Option<String>], hosts: &[Option<String>]) -> Vec<u32> {
    let mut placed = vec![0; preferred.len()];
    let mut load = vec![0_u32; hosts.len()];
    let is_there =
        |host: &Option<String>, wish: &str| host.as_ref().is_some_and(|host| host.eq_ignore_ascii_case(wish));
    for with_home in [true, false] {
        for (receiver, wish) in preferred.iter().enumerate() {
            let home = wish.as_deref().filter(|wish| hosts.iter().any(|host| is_there(host, wish)));
            if home.is_some() != with_home {
                continue;
            }
            let fits = |member: &usize| home.is_none_or(|home| is_there(&hosts[*member], home));
            let member = (0..hosts.len()).filter(fits).min_by_key(|member| load[*member]).unwrap_or(0);
            if let Some(load) = load.get_mut(member) {
                *load += 1;
            }
            placed[receiver] = member as u32;
        }
    }
    placed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(names: &[&str]) -> Vec<Option<String>> {
        names.iter().map(|name| (!name.is_empty()).then(|| (*name).to_owned())).collect()
    }

    #[test]
    fn receivers_without_a_wish_are_spread_evenly() {
        assert_eq!(place(&named(&[""; 7]), &named(&[""; 3])), [0, 1, 2, 0, 1, 2, 0]);
    }

    #[test]
    fn a_wish_goes_before_balance_and_those_without_one_fill_up() {
        let hosts = named(&["east", "west", "west"]);
        assert_eq!(place(&named(&["", "WEST", "west", "west", ""]), &hosts), [0, 1, 2, 1, 0]);
    }

    #[test]
    fn a_host_without_a_member_is_no_wish() {
        assert_eq!(place(&named(&["north", "east"]), &named(&["east", "west"])), [1, 0]);
        assert_eq!(place(&named(&["north"]), &named(&[""])), [0]);
    }
}
