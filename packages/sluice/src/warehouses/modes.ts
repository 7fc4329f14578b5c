/** The load modes, as one literal table: everything that loads looks a mode up here. */
import type { LoadMode } from '../definition/types.ts'
import type { LoadModeEntry } from './load-mode.ts'
import { append } from './modes/append.ts'
import { incremental } from './modes/incremental.ts'
import { replace } from './modes/replace.ts'
import { upsert } from './modes/upsert.ts'
import { scd2 } from './scd2/scd2.ts'

/** An entry for each mode of the definition. */
export type LoadModeTable = { readonly [M in LoadMode]: LoadModeEntry }

/** Mode → how it writes. */
export const loadModes = { replace, incremental, append, upsert, scd2 } satisfies LoadModeTable
