//! Tree ensembles as the ONNX file gives them, in floats.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use tract_onnx::pb::NodeProto;

use super::{attributes::Attributes, unsupported};
use crate::error::OnnxError;

/// Most nodes of an ensemble.
const MAX_NODES: usize = 1 << 22;

/// A node of a tree. Subtrees may be shared.
#[derive(Debug, Clone, PartialEq)]
pub enum TreeNode {
    /// `x <= threshold` (`x < threshold` if strict) goes to `low`, anything else to `high`.
    Decision {
        /// Index of the feature.
        feature: usize,
        /// What it is compared with.
        threshold: f32,
        /// Whether equality goes to `high`.
        strict: bool,
        /// Index of the node for small features.
        low: usize,
        /// Index of the node for large features.
        high: usize,
    },
    /// The tree gives these values: [`Ensemble::values`] of them.
    Leaf(Vec<f32>),
}

/// Trees that give `values` numbers each: output `[N, T * V]`, tree by tree.
#[derive(Debug, Clone, PartialEq)]
pub struct Ensemble {
    /// Nodes of all trees.
    pub nodes: Vec<TreeNode>,
    /// Each tree's first node.
    pub roots: Vec<usize>,
    /// Numbers that a tree gives.
    pub values: usize,
    /// Decisions on the longest path.
    pub depth: usize,
}

/// A class (or target) and what a leaf adds to it.
type Share = (usize, f32);

/// Ensemble and how its values add up to scores.
pub struct Parsed {
    /// The trees.
    pub ensemble: Ensemble,
    /// For each value, the scores it is added to, and with which factor.
    pub targets: Vec<Vec<Share>>,
    /// Constants that go with the scores.
    pub constants: BTreeMap<usize, f64>,
    /// The scores that leaves mention.
    pub used: BTreeSet<usize>,
    /// Whether no leaf takes anything away.
    pub all_positive: bool,
}

/// Reads `nodes_*` and `PREFIX_*` (`class` or `target`).
///
/// # Errors
/// [`OnnxError::Unsupported`] naming what is wrong: hostile files end here.
pub fn parse(proto: &NodeProto, prefix: &str) -> Result<Parsed, OnnxError> {
    let attributes = Attributes(proto);
    attributes.refuse_doubles(&["nodes_values", &format!("{prefix}_weights"), "base_values"])?;
    let mut builder = Builder::read(&attributes)?;
    let shares = leaves(&attributes, prefix)?;
    for index in 0..builder.nodes.len() {
        builder.branch(index)?;
    }
    let depth = builder.depth()?;
    assemble(builder, &shares, depth)
}

/// What leaves say: by tree and node.
type Leaves = HashMap<(i64, i64), Vec<Share>>;

fn leaves(attributes: &Attributes<'_>, prefix: &str) -> Result<Leaves, OnnxError> {
    let name = |what: &str| format!("{prefix}_{what}");
    let ids = attributes.integers(&name("ids"));
    let count = ids.len();
    let trees = name("treeids");
    let trees = attributes.exact(&trees, attributes.integers(&trees), count)?;
    let nodes = name("nodeids");
    let nodes = attributes.exact(&nodes, attributes.integers(&nodes), count)?;
    let weights = name("weights");
    let weights = attributes.exact(&weights, attributes.floats(&weights), count)?;
    let mut leaves = Leaves::new();
    for (((id, tree), node), weight) in ids.iter().zip(trees).zip(nodes).zip(weights) {
        let id = usize::try_from(*id)
            .map_err(|_| unsupported(attributes.0, &format!("{prefix} {id} does not exist")))?;
        if !weight.is_finite() {
            return Err(unsupported(attributes.0, &format!("a leaf gives {weight}")));
        }
        leaves.entry((*tree, *node)).or_default().push((id, *weight));
    }
    Ok(leaves)
}

/// Nodes as the file lists them.
struct Builder<'a> {
    proto: &'a NodeProto,
    ids: Vec<(i64, i64)>,
    index: HashMap<(i64, i64), usize>,
    modes: Vec<String>,
    features: &'a [i64],
    thresholds: &'a [f32],
    children: [&'a [i64]; 2],
    roots: Vec<usize>,
    /// Decisions; leaves stay empty until [`assemble`].
    nodes: Vec<TreeNode>,
}

impl<'a> Builder<'a> {
    fn read(attributes: &'a Attributes<'a>) -> Result<Self, OnnxError> {
        let proto = attributes.0;
        let ids = attributes.integers("nodes_nodeids");
        let count = ids.len();
        if count == 0 || count > MAX_NODES {
            return Err(unsupported(proto, &format!("{count} tree nodes")));
        }
        let list = |name: &str| attributes.exact(name, attributes.integers(name), count);
        let trees = list("nodes_treeids")?;
        let modes = attributes.strings("nodes_modes");
        attributes.exact("nodes_modes", &modes, count)?;
        let ids: Vec<(i64, i64)> = trees.iter().copied().zip(ids.iter().copied()).collect();
        let index: HashMap<_, _> = ids.iter().enumerate().map(|(i, id)| (*id, i)).collect();
        if index.len() != count {
            return Err(unsupported(proto, "two tree nodes have one number"));
        }
        let floats = attributes.floats("nodes_values");
        Ok(Self {
            proto,
            index,
            modes,
            features: list("nodes_featureids")?,
            thresholds: attributes.exact("nodes_values", floats, count)?,
            children: [list("nodes_truenodeids")?, list("nodes_falsenodeids")?],
            roots: Vec::new(),
            nodes: vec![TreeNode::Leaf(Vec::new()); count],
            ids,
        })
    }

    /// Turns a listed node into a decision, if it branches.
    fn branch(&mut self, at: usize) -> Result<(), OnnxError> {
        let proto = self.proto;
        let mode = self.modes[at].clone();
        if mode == "LEAF" {
            return Ok(());
        }
        let (tree, node) = self.ids[at];
        let child = |list: &[i64]| {
            let found = self.index.get(&(tree, list[at])).copied();
            found.ok_or_else(|| {
                unsupported(proto, &format!("node {node} of tree {tree} leads nowhere"))
            })
        };
        let (yes, no) = (child(self.children[0])?, child(self.children[1])?);
        let threshold = self.thresholds[at];
        if !threshold.is_finite() {
            return Err(unsupported(proto, &format!("a threshold is {threshold}")));
        }
        let feature = usize::try_from(self.features[at])
            .map_err(|_| unsupported(proto, "a feature number is negative"))?;
        let decide =
            |strict, low, high| TreeNode::Decision { feature, threshold, strict, low, high };
        self.nodes[at] = match mode.as_str() {
            "BRANCH_LEQ" => decide(false, yes, no),
            "BRANCH_LT" => decide(true, yes, no),
            "BRANCH_GT" => decide(false, no, yes),
            "BRANCH_GTE" => decide(true, no, yes),
            // x = t: neither above nor below.
            "BRANCH_EQ" | "BRANCH_NEQ" => {
                let (equal, other) = if mode == "BRANCH_EQ" { (yes, no) } else { (no, yes) };
                self.nodes.push(decide(true, other, equal));
                decide(false, self.nodes.len() - 1, other)
            }
            other => return Err(unsupported(proto, &format!("tree nodes of mode {other}"))),
        };
        Ok(())
    }

    /// The longest path; roots are the nodes that no decision leads to, in the order of their trees.
    fn depth(&mut self) -> Result<usize, OnnxError> {
        let mut child = vec![false; self.nodes.len()];
        for node in &self.nodes {
            if let TreeNode::Decision { low, high, .. } = node {
                child[*low] = true;
                child[*high] = true;
            }
        }
        let mut roots: Vec<usize> = (0..self.ids.len()).filter(|i| !child[*i]).collect();
        roots.sort_by_key(|i| self.ids[*i].0);
        let trees: BTreeSet<i64> = self.ids.iter().map(|id| id.0).collect();
        if roots.len() != trees.len() {
            return Err(unsupported(
                self.proto,
                "its nodes do not form one tree for each tree number",
            ));
        }
        self.roots = roots;
        let mut height: Vec<Option<usize>> = vec![None; self.nodes.len()];
        let mut open = vec![false; self.nodes.len()];
        let mut deepest = 0;
        for root in &self.roots {
            let mut stack = vec![*root];
            while let Some(at) = stack.last().copied() {
                let found = match &self.nodes[at] {
                    _ if height[at].is_some() => {
                        stack.pop();
                        continue;
                    }
                    TreeNode::Leaf(_) => 0,
                    TreeNode::Decision { low, high, .. } => match (height[*low], height[*high]) {
                        (Some(a), Some(b)) => a.max(b) + 1,
                        _ if open[at] => {
                            return Err(unsupported(self.proto, "its tree nodes form a circle"));
                        }
                        (a, b) => {
                            open[at] = true;
                            stack.extend(a.is_none().then_some(*low));
                            stack.extend(b.is_none().then_some(*high));
                            continue;
                        }
                    },
                };
                height[at] = Some(found);
                deepest = deepest.max(found);
                stack.pop();
            }
        }
        Ok(deepest)
    }
}

/// Gives leaves their values. If each tree serves one class only, a tree gives one number; else one for
/// each class, but the last if all leaves of a tree add up to the same.
fn assemble(mut builder: Builder<'_>, leaves: &Leaves, depth: usize) -> Result<Parsed, OnnxError> {
    let trees: Vec<i64> = builder.roots.iter().map(|root| builder.ids[*root].0).collect();
    let mut of_tree: BTreeMap<i64, BTreeSet<usize>> = BTreeMap::new();
    let mut sums: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
    let mut used = BTreeSet::new();
    let mut all_positive = true;
    for (node, id) in builder.nodes.iter().zip(&builder.ids) {
        if !matches!(node, TreeNode::Leaf(_)) {
            continue;
        }
        let shares = leaves.get(id).map_or(&[][..], Vec::as_slice);
        of_tree.entry(id.0).or_default().extend(shares.iter().map(|s| s.0));
        used.extend(shares.iter().map(|s| s.0));
        all_positive &= shares.iter().all(|s| s.1 >= 0.0);
        sums.entry(id.0).or_default().push(shares.iter().map(|s| f64::from(s.1)).sum());
    }
    let classes: Vec<usize> = used.iter().copied().collect();
    let single = of_tree.values().all(|set| set.len() <= 1);
    let constant = |list: &Vec<f64>| {
        let (least, most) =
            list.iter().fold((f64::MAX, f64::MIN), |(a, b), v| (a.min(*v), b.max(*v)));
        (most - least <= 1e-6 * most.abs().max(least.abs())).then_some((most + least) / 2.0)
    };
    let totals: Option<Vec<f64>> = match single {
        true => None,
        false => trees.iter().map(|tree| sums.get(tree).and_then(constant)).collect(),
    };
    let given = classes.len() - usize::from(totals.is_some() && classes.len() > 1);
    let (values, targets, constants) = if single {
        let class = |tree: &i64| of_tree[tree].first().copied();
        let targets = trees.iter().map(|tree| class(tree).map(|c| (c, 1.0)).into_iter().collect());
        (1, targets.collect(), BTreeMap::new())
    } else {
        let rest = classes.last().copied().filter(|_| given < classes.len());
        let one = |class: &usize| -> Vec<Share> {
            std::iter::once((*class, 1.0)).chain(rest.map(|rest| (rest, -1.0))).collect()
        };
        let tree: Vec<Vec<Share>> = classes[..given].iter().map(one).collect();
        let constants = rest.map(|rest| (rest, totals.iter().flatten().sum()));
        let targets = trees.iter().flat_map(|_| tree.iter().cloned()).collect();
        (given, targets, constants.into_iter().collect())
    };
    for (node, id) in builder.nodes.iter_mut().zip(&builder.ids) {
        if let TreeNode::Leaf(list) = node {
            let shares = leaves.get(id).map_or(&[][..], Vec::as_slice);
            let total = |keep: &dyn Fn(usize) -> bool| -> f32 {
                shares.iter().filter(|s| keep(s.0)).map(|s| s.1).sum()
            };
            *list = match single {
                true => vec![total(&|_| true)],
                false => classes[..given].iter().map(|c| total(&|class| class == *c)).collect(),
            };
        }
    }
    let ensemble = Ensemble { nodes: builder.nodes, roots: builder.roots, values, depth };
    Ok(Parsed { ensemble, targets, constants, used, all_positive })
}

impl Ensemble {
    /// Numbers for one row of features: tree by tree.
    pub fn eval(&self, x: &[f32]) -> Vec<f32> {
        let mut result = Vec::with_capacity(self.roots.len() * self.values);
        for root in &self.roots {
            let mut at = *root;
            let values = loop {
                match &self.nodes[at] {
                    TreeNode::Leaf(values) => break values,
                    TreeNode::Decision { feature, threshold, strict, low, high } => {
                        let x = x.get(*feature).copied().unwrap_or(0.0);
                        let below = if *strict { x < *threshold } else { x <= *threshold };
                        at = if below { *low } else { *high };
                    }
                }
            };
            result.extend_from_slice(values);
        }
        result
    }

    /// Features it may ask for.
    pub fn features(&self) -> usize {
        let features = self.nodes.iter().map(|node| match node {
            TreeNode::Decision { feature, .. } => feature + 1,
            TreeNode::Leaf(_) => 0,
        });
        features.max().unwrap_or(0)
    }

    /// Largest absolute value of a leaf.
    pub fn largest(&self) -> f32 {
        let leaves = self.nodes.iter().map(|node| match node {
            TreeNode::Leaf(values) => values.iter().fold(0f32, |m, v| m.max(v.abs())),
            TreeNode::Decision { .. } => 0.0,
        });
        leaves.fold(0.0, f32::max)
    }
}
