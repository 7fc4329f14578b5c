/** Opens a project: the only place that wires implementations to contracts. */
import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { isAbsolute, join, resolve } from 'node:path'
import { type Clock, systemClock } from '../base/clock.ts'
import { sluiceError } from '../base/errors.ts'
import { checkProject } from '../definition/check.ts'
import type { Project, ProjectConfig } from '../definition/types.ts'
import { duckDbEngine } from '../engines/duckdb/engine.ts'
import { openLake } from '../lake/lake.ts'
import { compileStateMachines } from '../statemachine/compile.ts'
import { diskStorage } from '../storage/disk/storage.ts'
import type { OpenProject, RunInfo } from './api.ts'
import type { ProjectContext } from './context.ts'
import { doctor } from './doctor.ts'
import { executeRun } from './execute.ts'
import { hashCache } from './hash-cache.ts'
import { leaseHolder } from './lease.ts'
import { listRuns, type RunStart, readEvents } from './ledger.ts'
import { loadProject } from './load.ts'
import { logText } from './log.ts'
import { planProject } from './planning.ts'
import { openReadSession } from './read.ts'
import { secretResolver } from './secrets.ts'

/** What may be handed in from outside, mostly by tests. */
export interface OpenOptions {
  readonly clock?: Clock
}

/**
 * Opens the project in a folder.
 *
 * @example
 * await using project = await openProject('my-pipeline')
 * const { summary } = await project.run()
 *
 * @throws Definition.NoProject where the folder has no sluice.config
 * @throws Definition.Invalid with every problem, where the definition cannot be read at all
 */
export async function openProject(root: string, options: OpenOptions = {}): Promise<OpenProject> {
  const absolute = resolve(root)
  const loaded = await loadProject(absolute)
  if (loaded.project === undefined) {
    const errors = loaded.problems.filter(({ severity }) => severity === 'error')
    throw sluiceError('Definition.Invalid', { count: errors.length }, { problems: loaded.problems })
  }
  const context = await wire(absolute, loaded.project, options.clock ?? systemClock)
  return new WiredProject(context, loaded.problems)
}
