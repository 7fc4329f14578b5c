/** The house, as data: the folders of `src`, lowest first. A file imports from its own folder and from folders before it. */
export const layers = [
  'base',
  'definition',
  'sql',
  'plan',
  'statemachine',
  'storage',
  'inbox',
  'lake',
  'engines',
  'connections',
  'quality',
  'changes',
  'sources',
  'warehouses',
  'notifications',
  'governance',
  'run',
  'query',
  'server',
  'cli',
] as const

/** Pure folders: no I/O, clock, randomness or environment. */
export const pure = ['definition', 'sql', 'plan', 'statemachine'] as const

/** Folders whose sub-folders are adapters of one contract and never import each other. */
export const adapters = ['storage', 'engines', 'connections', 'sources', 'warehouses', 'notifications'] as const

/** Names that say nothing about what is inside. */
export const banned = ['utils', 'common', 'shared', 'helpers', 'misc'] as const
