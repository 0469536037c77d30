//! Proofs in several transactions: every step in its place, by its account, of its proof; everything else reverts with
//! a named error and changes nothing.
use starknet::testing::set_contract_address;
use starknet::ContractAddress;
use veristar_fixtures::{credit_risk, credit_risk_hidden};
use veristar_interface::{
    chain, fact, session_name, IVeristarSessionsDispatcher, IVeristarSessionsDispatcherTrait,
    IVeristarVerifierDispatcher, IVeristarVerifierDispatcherTrait, Session,
};
use super::{deploy_verifier, reason};

/// A proof, cut.
#[derive(Copy, Drop)]
struct Cut {
    model: felt252,
    key: Span<felt252>,
    context: felt252,
    public: Span<felt252>,
    leaves: Span<felt252>,
    parts: Span<Span<felt252>>,
    /// Sections before each part, of which the transcript is one.
    starts: Span<u32>,
}

/// Cuts a list of felts before these sections.
fn cut(felts: Span<felt252>, sections: Span<u32>, before: Span<u32>) -> Span<Span<felt252>> {
    let mut parts = array![];
    let mut left = felts;
    let (mut at, mut length) = (0, 0);
    let mut before = before;
    let _ = before.pop_front();
    for section in sections {
        if before.len() != 0 && at == *before.at(0) {
            parts.append(left.slice(0, length));
            left = left.slice(length, left.len() - length);
            length = 0;
            let _ = before.pop_front();
        }
        length += *section;
        at += 1;
    }
    parts.append(left);
    parts.span()
}

fn credit(starts: Span<u32>) -> Cut {
    let sections = credit_risk::SECTIONS.span();
    Cut {
        model: credit_risk::ID,
        key: credit_risk::KEY.span(),
        context: credit_risk::CONTEXT,
        public: credit_risk::PUBLIC.span(),
        leaves: credit_risk::LEAVES.span(),
        parts: cut(credit_risk::PROOF.span(), sections, starts),
        starts,
    }
}

fn hidden(starts: Span<u32>) -> Cut {
    let sections = credit_risk_hidden::SECTIONS.span();
    Cut {
        model: credit_risk_hidden::ID,
        key: credit_risk_hidden::KEY.span(),
        context: credit_risk_hidden::CONTEXT,
        public: credit_risk_hidden::PUBLIC.span(),
        leaves: credit_risk_hidden::LEAVES.span(),
        parts: cut(credit_risk_hidden::PROOF.span(), sections, starts),
        starts,
    }
}

/// Transcript and eight rows; twelve rows and two trees; four trees and the folding.
const THREE: [u32; 3] = [0, 9, 23];

/// What [`chain`] gives for the parts from this one.
fn rest(cut: Cut, from: u32) -> felt252 {
    let mut rest = 0;
    let mut at = cut.parts.len();
    while at != from {
        at -= 1;
        rest = chain(*cut.parts.at(at), rest);
    }
    rest
}

fn session(cut: Cut) -> Session {
    let fact = fact(cut.model, cut.context, cut.public);
    Session { model: cut.model, context: cut.context, fact, parts: rest(cut, 0) }
}

/// Leaves to bring with a part: of the rows before it, until the trees are done.
fn leaves(cut: Cut, part: u32) -> Span<felt252> {
    let before = *cut.starts.at(part);
    if before == 0 {
        array![].span()
    } else if before < 21 {
        cut.leaves.slice(0, 6 * (before - 1))
    } else if before < 27 {
        cut.leaves
    } else {
        array![].span()
    }
}

fn deployed() -> IVeristarSessionsDispatcher {
    deployed_with(0)
}

/// One verifier for each salt.
fn deployed_with(salt: felt252) -> IVeristarSessionsDispatcher {
    let verifier = deploy_verifier(0, salt);
    verifier.register(credit_risk::KEY.span());
    verifier.register(credit_risk_hidden::KEY.span());
    act_as('alice');
    IVeristarSessionsDispatcher { contract_address: verifier.contract_address }
}

fn act_as(account: felt252) {
    set_contract_address(account.try_into().unwrap());
}

fn alice() -> ContractAddress {
    'alice'.try_into().unwrap()
}

fn begin_with(
    at: IVeristarSessionsDispatcher, cut: Cut, part: Span<felt252>, rest: felt252,
) -> felt252 {
    let mut calldata = array![cut.model];
    cut.key.serialize(ref calldata);
    calldata.append(cut.context);
    cut.public.serialize(ref calldata);
    part.serialize(ref calldata);
    calldata.append(rest);
    reason(at.contract_address, selector!("begin"), calldata)
}

fn begin(at: IVeristarSessionsDispatcher, cut: Cut) -> felt252 {
    begin_with(at, cut, *cut.parts.at(0), rest(cut, 1))
}

fn advance_with(
    at: IVeristarSessionsDispatcher,
    session: Session,
    key: Span<felt252>,
    leaves: Span<felt252>,
    part: Span<felt252>,
    rest: felt252,
) -> felt252 {
    let mut calldata = array![];
    session.serialize(ref calldata);
    key.serialize(ref calldata);
    leaves.serialize(ref calldata);
    part.serialize(ref calldata);
    calldata.append(rest);
    reason(at.contract_address, selector!("advance"), calldata)
}

fn advance(at: IVeristarSessionsDispatcher, cut: Cut, part: u32) -> felt252 {
    let (leaves, felts) = (leaves(cut, part), *cut.parts.at(part));
    advance_with(at, session(cut), cut.key, leaves, felts, rest(cut, part + 1))
}

fn close(at: IVeristarSessionsDispatcher, cut: Cut) -> felt252 {
    let mut calldata = array![];
    session(cut).serialize(ref calldata);
    reason(at.contract_address, selector!("close"), calldata)
}

fn is_fact(at: IVeristarSessionsDispatcher, cut: Cut) -> bool {
    IVeristarVerifierDispatcher { contract_address: at.contract_address }
        .is_fact(fact(cut.model, cut.context, cut.public))
}

/// A list with one felt greater by one.
fn changed(felts: Span<felt252>, at: u32) -> Span<felt252> {
    let mut list = array![];
    list.append_span(felts.slice(0, at));
    list.append(*felts.at(at) + 1);
    list.append_span(felts.slice(at + 1, felts.len() - at - 1));
    list.span()
}

/// Wherever sections end a proof may be cut.
#[test]
fn a_proof_in_parts_becomes_the_same_fact() {
    let cuts = [
        THREE.span(), [0, 1, 2, 21].span(), [0, 20, 22, 25, 26].span(), [0, 27].span(),
        [0, 10, 27].span(),
    ];
    let mut salt = 0;
    for starts in cuts.span() {
        let at = deployed_with(salt);
        salt += 1;
        let cut = credit(*starts);
        let name = session_name(session(cut), alice());
        let (first, after) = (*cut.parts.at(0), rest(cut, 1));
        let begun = at.begin(cut.model, cut.key, cut.context, cut.public, first, after);
        assert(begun == name, 'name');
        let mut part = 1;
        while part != cut.parts.len() {
            assert(!is_fact(at, cut), 'not yet');
            assert(at.rest(name) == rest(cut, part), 'waits for this part');
            assert(advance(at, cut, part) == 0, 'accepted');
            part += 1;
        }
        assert(is_fact(at, cut), 'a fact');
        assert(at.rest(name) == 0, 'over');
        assert(advance(at, cut, part - 1) == 'veristar: no such session', 'over');
        assert(close(at, cut) == 'veristar: no such session', 'over');
    }
}

#[test]
fn parts_come_in_their_order() {
    let at = deployed();
    let cut = credit(THREE.span());
    assert(advance(at, cut, 1) == 'veristar: no such session', 'nothing begun');
    assert(begin(at, cut) == 0, 'begun');
    assert(begin(at, cut) == 'veristar: session is open', 'begun twice');
    assert(advance(at, cut, 2) == 'veristar: other part', 'skipped');
    assert(advance(at, cut, 0) == 'veristar: other part', 'the first one again');
    assert(advance(at, cut, 1) == 0, 'second');
    assert(advance(at, cut, 1) == 'veristar: other part', 'repeated');
    assert(begin(at, cut) == 'veristar: session is open', 'begun again');
    assert(!is_fact(at, cut), 'not yet');
    assert(advance(at, cut, 2) == 0, 'third');
    assert(is_fact(at, cut), 'a fact');
}

#[test]
fn parts_cannot_be_replaced() {
    let at = deployed();
    let cut = credit(THREE.span());
    assert(begin(at, cut) == 0, 'begun');
    let (session, second, after) = (session(cut), *cut.parts.at(1), rest(cut, 2));
    let leaves = leaves(cut, 1);
    for place in [0, 100, second.len() - 1].span() {
        let other = changed(second, *place);
        let found = advance_with(at, session, cut.key, leaves, other, after);
        assert(found == 'veristar: other part', 'changed');
    }
    let shorter = second.slice(0, second.len() - 1);
    let found = advance_with(at, session, cut.key, leaves, shorter, after);
    assert(found == 'veristar: other part', 'shorter');
    let found = advance_with(at, session, cut.key, leaves, second, after + 1);
    assert(found == 'veristar: other part', 'other rest');
    let found = advance_with(at, session, cut.key, leaves, second, 0);
    assert(found == 'veristar: other part', 'no rest');
    let found = advance_with(at, session, cut.key, changed(leaves, 7), second, after);
    assert(found == 'veristar: other leaves', 'leaves');
    let found = advance_with(at, session, cut.key, array![].span(), second, after);
    assert(found == 'veristar: other leaves', 'no leaves');
    let found = advance_with(at, session, credit_risk_hidden::KEY.span(), leaves, second, after);
    assert(found == 'veristar: other key', 'key');
    // After all that the session goes on.
    assert(advance(at, cut, 1) == 0, 'second');
    assert(advance(at, cut, 2) == 0, 'third');
}

/// A change to which the chain was made is a wrong proof, found where it is.
#[test]
fn changed_proofs_are_refused_in_their_part() {
    let at = deployed();
    let cut = credit(THREE.span());
    let (first, second, third) = (*cut.parts.at(0), *cut.parts.at(1), *cut.parts.at(2));
    for place in [0, 3, 60, 110].span() {
        let parts = [changed(first, *place), second, third];
        let found = begin(at, Cut { parts: parts.span(), ..cut });
        assert(found == 'veristar: totals' || found == 'veristar: constraints'
            || found == 'veristar: proof of work', 'transcript');
    }
    // A row, which its tree's paths will not lead to; a path; an evaluation.
    let changes: [(u32, u32, felt252); 4] = [
        (1, 5, 'veristar: opening'), (1, second.len() - 3, 'veristar: opening'),
        (2, 5, 'veristar: opening'), (2, third.len() - 3, 'veristar: layer'),
    ];
    for (part, place, expected) in changes.span() {
        let parts = if *part == 1 {
            [first, changed(second, *place), third]
        } else {
            [first, second, changed(third, *place)]
        };
        let other = Cut { parts: parts.span(), ..cut };
        assert(begin(at, other) == 0, 'begun');
        if *part == 2 {
            assert(advance(at, other, 1) == 0, 'second');
        }
        assert(advance(at, other, *part) == *expected, 'changed');
        // It waits for a part that will never be accepted.
        assert(close(at, other) == 0, 'closed');
    }
    assert(!is_fact(at, cut), 'no fact');
}

#[test]
fn parts_hold_whole_sections_and_all_of_them() {
    let at = deployed();
    let cut = credit(THREE.span());
    let (first, second, third) = (*cut.parts.at(0), *cut.parts.at(1), *cut.parts.at(2));
    // In the middle of a row.
    let n = first.len() - 7;
    let mut longer = array![];
    longer.append_span(first.slice(n, 7));
    longer.append_span(second);
    let uneven = Cut { parts: [first.slice(0, n), longer.span(), third].span(), ..cut };
    assert(begin(at, uneven) == 'veristar: truncated', 'within a section');
    // Nothing after the second part: the proof ends too early.
    let short = Cut { parts: [first, second].span(), ..cut };
    assert(begin(at, short) == 0, 'begun');
    assert(advance(at, short, 1) == 'veristar: truncated', 'too early');
    // A fourth part, and felts after the last section.
    let long = Cut { parts: [first, second, third, [1].span()].span(), ..cut };
    assert(begin(at, long) == 0, 'begun');
    assert(advance(at, long, 1) == 0, 'second');
    assert(advance(at, long, 2) == 'veristar: trailing', 'a fourth part');
    let mut more = array![];
    more.append_span(third);
    more.append(1);
    let long = Cut { parts: [first, second, more.span()].span(), ..cut };
    assert(begin(at, long) == 0, 'begun');
    assert(advance(at, long, 1) == 0, 'second');
    assert(advance(at, long, 2) == 'veristar: trailing', 'trailing');
    // All in one part is for `verify`.
    let whole = credit([0].span());
    assert(begin(at, whole) == 'veristar: one part', 'one part');
    let all = Cut { parts: [credit_risk::PROOF.span(), [1].span()].span(), ..cut };
    assert(begin(at, all) == 'veristar: trailing', 'all in the first part');
    assert(!is_fact(at, cut), 'no fact');
}

#[test]
fn sessions_do_not_mix() {
    let at = deployed();
    let (cut, other) = (credit(THREE.span()), hidden(THREE.span()));
    assert(begin(at, cut) == 0, 'begun');
    assert(begin(at, other) == 0, 'begun');
    let (session_1, session_2) = (session(cut), session(other));
    let (second, after) = (*cut.parts.at(1), rest(cut, 2));
    // One session's part in another.
    let found = advance_with(at, session_2, other.key, leaves(other, 1), second, after);
    assert(found == 'veristar: other part', 'other session');
    // Another model, context, fact, or list of parts: none of them was begun.
    for session in [
        Session { model: session_2.model, ..session_1 }, Session { context: 1, ..session_1 },
        Session { fact: session_2.fact, ..session_1 }, Session { parts: 1, ..session_1 },
    ].span() {
        let found = advance_with(at, *session, cut.key, leaves(cut, 1), second, after);
        assert(found == 'veristar: no such session', 'another');
    }
    // Another cut of the same proof is another session.
    let halves = credit([0, 9].span());
    assert(begin(at, halves) == 0, 'begun');
    let found = advance_with(at, session(cut), cut.key, leaves(cut, 1), *halves.parts.at(1), 0);
    assert(found == 'veristar: other part', 'another cut');
    // They end independently.
    assert(advance(at, cut, 1) == 0, 'second');
    assert(advance(at, other, 1) == 0, 'second');
    assert(advance(at, cut, 2) == 0, 'third');
    assert(is_fact(at, cut), 'a fact');
    assert(!is_fact(at, other), 'its own fact only');
    assert(advance(at, other, 2) == 0, 'third');
    assert(is_fact(at, other), 'a fact');
}

#[test]
fn a_session_is_its_accounts() {
    let at = deployed();
    let cut = credit(THREE.span());
    assert(begin(at, cut) == 0, 'begun');
    act_as('bob');
    assert(advance(at, cut, 1) == 'veristar: no such session', 'not his');
    assert(close(at, cut) == 'veristar: no such session', 'not his');
    // He may verify the same proof, and blocks nobody by it.
    assert(begin(at, cut) == 0, 'begun');
    act_as('alice');
    assert(advance(at, cut, 1) == 0, 'second');
    assert(close(at, cut) == 0, 'closed');
    assert(advance(at, cut, 2) == 'veristar: no such session', 'closed');
    assert(at.rest(session_name(session(cut), alice())) == 0, 'closed');
    // From the start, not from where it was closed.
    assert(begin(at, cut) == 0, 'again');
    assert(advance(at, cut, 2) == 'veristar: other part', 'from the start');
    act_as('bob');
    assert(advance(at, cut, 1) == 0, 'second');
    assert(advance(at, cut, 2) == 0, 'third');
    assert(is_fact(at, cut), 'a fact');
}

#[test]
fn sessions_are_of_registered_models_and_bound_to_values() {
    let verifier = deploy_verifier(0, 1);
    let at = IVeristarSessionsDispatcher { contract_address: verifier.contract_address };
    let cut = credit(THREE.span());
    assert(begin(at, cut) == 'veristar: not registered', 'unknown model');
    verifier.register(cut.key);
    let other = Cut { key: credit_risk_hidden::KEY.span(), ..cut };
    assert(begin(at, other) == 'veristar: other key', 'other key');
    assert(begin(at, Cut { context: 1, ..cut }) == 'veristar: totals', 'context');
    let public = changed(cut.public, 0);
    assert(begin(at, Cut { public, ..cut }) == 'veristar: totals', 'public value');
}
