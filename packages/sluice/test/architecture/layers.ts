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
export const adapters = [
  'storage',
  'inbox',
  'engines',
  'connections',
  'sources',
  'warehouses',
  'notifications',
] as const

/** Folders that show things to people: what they show of a project they ask `openReads` for. */
export const showing = ['server', 'cli'] as const

/**
 * What such a folder may import as values, by the beginning of its path: what is pure, the entry of the read path, and the opening of a project.
 * Types of plain data may come from anywhere, but not a type that reads.
 */
export const showable = [
  'base/',
  'definition/',
  'plan/',
  'statemachine/',
  'query/reads.ts',
  'run/project.ts',
  'server/',
  'cli/',
] as const

/** Types by which somebody could read past the read path. */
export const reading = ['ReadContext', 'ProjectContext', 'Lake', 'Session', 'Engine', 'Storage', 'Warehouse'] as const

/** Names that say nothing about what is inside. */
export const banned = ['utils', 'common', 'shared', 'helpers', 'misc'] as const
