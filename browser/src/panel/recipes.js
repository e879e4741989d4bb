// What to try in the demo: how to cause each situation of a cluster's life, and what to look at.

/** @typedef {{title: string, steps: string[]}} Recipe */

/** @type {Recipe[]} */
export const RECIPES = [
  {
    title: 'A stale reload',
    steps: [
      'Cut c.',
      'Play the clip to its end a few times. The balancer gives each view to one of the nodes. ' +
        'c does not receive those that a and b count.',
      'Ask for node c and reload the page from it.',
      'The number stays. The sentence above says which views c lacks, and from which node this ' +
        'browser has them. Heal c.',
    ],
  },
  {
    title: 'Split brain',
    steps: [
      'Cut c and play a few times: both sides count.',
      'Take messages from c, then from a. Each says its own, smaller number; the merged one ' +
        'above is the only complete one.',
      'Heal c. Within seconds all nodes say the same.',
    ],
  },
  {
    title: 'A crash, and a restart',
    steps: [
      'Kill b. The messages come from another node. The views that b had answered are at the ' +
        'others.',
      'Start b. It opens a new slot, which is one more bar above; the old bar never grows again.',
      'After the grace period (30 s in the demo) the old slot is folded: its bar goes, the base ' +
        'grows by as much, the number stays.',
    ],
  },
  {
    title: 'Leaving for good, and coming back',
    steps: [
      'Let b leave: it hands over, closes its slot and stops. Every node folds its slot.',
      'Start b again: to the others it is a new node. It serves reads once it has caught up.',
    ],
  },
  {
    title: 'Retired by mistake',
    steps: [
      'Cut c, take messages from c, and play until c’s bar grows: only c and this browser know ' +
        'that view.',
      'Kill c and retire it. Start it before the 30 s are over, and heal it: nothing is lost.',
      'Do it once more, but wait until its slot is folded. The cluster may then lose what only ' +
        'c knew, and it counts nothing twice. This browser still has that view, and says that no ' +
        'node knows it.',
    ],
  },
  {
    title: 'Away for a year',
    steps: [
      'Play a few times. Kill b, start it, and wait until its old slot is folded.',
      'Pretend to have been away for a year, and reload. The page begins with the old number ' +
        'and comes to the cluster’s own number, with no view counted twice: the old slot is ' +
        'lifted before it is merged.',
    ],
  },
  {
    title: 'A forged state',
    steps: [
      'Export, raise a slot’s number in the file, import it.',
      'The number goes up, and the sentence says that no node knows these views. Clear, and ' +
        'reload: they are gone. No node ever received them.',
    ],
  },
];
