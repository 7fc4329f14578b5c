/** `sluice init` */
import { execFile } from 'node:child_process'
import { existsSync, readFileSync, realpathSync, statSync, writeFileSync } from 'node:fs'
import { cp, mkdir, readdir, rename } from 'node:fs/promises'
import { basename, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { sluiceError } from '../../base/errors.ts'
import type { Run } from '../command.ts'
import { ownPackage, withDependencies } from '../init-dependencies.ts'
import { visible } from '../render/text.ts'

const templates = fileURLToPath(new URL('../../../templates/', import.meta.url))

export const run: Run<'init'> = async (context, { dir, template, force, package: wanted }) => {
  const { terminal } = context
  const folder = resolve(context.root, dir ?? '.')
  const source = join(templates, template)
  if (existsSync(folder) && !statSync(folder).isDirectory())
    throw sluiceError('Cli.BadValue', { option: '[dir]', value: dir ?? '.', expected: 'a folder, and this is a file' })
  await mkdir(folder, { recursive: true })
  // A repository that was just made is empty enough.
  const present = (await readdir(folder)).filter((name) => name !== '.git')
  if (present.length > 0 && !force) throw sluiceError('Cli.FolderNotEmpty', { folder })
  await cp(source, folder, { recursive: true, filter: (from) => basename(from) !== 'node_modules' })
  // Packages are published without .gitignore files, so a template carries it under another name.
  if (existsSync(join(folder, 'gitignore'))) await rename(join(folder, 'gitignore'), join(folder, '.gitignore'))
  const manifest = join(folder, 'package.json')
  if (existsSync(manifest)) {
    const given = wanted === undefined ? undefined : { text: wanted, from: context.root }
    writeFileSync(manifest, withDependencies(readFileSync(manifest, 'utf8'), realpathSync(folder), ownPackage(), given))
  }
  // Sample data is made on the spot, not shipped.
  if (existsSync(join(folder, 'generate.mjs'))) {
    await promisify(execFile)(process.execPath, ['generate.mjs'], { cwd: folder })
  }
  const files = (await readdir(folder, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile())
  const place = relative(context.root, folder)
  if (terminal.json) await terminal.out.json({ folder, template, files: files.length })
  else
    await terminal.out.line(
      `${terminal.out.paint('green', '✔')} Made ${visible(place === '' ? 'the project here' : place)} from the template "${template}" (${files.length} files).`,
    )
  const steps = [
    ...(place === '' ? [] : [`cd ${visible(place)}`]),
    ...(existsSync(manifest) ? ['npm install'] : []),
    // Where something has to be up before the first run, a template says how.
    existsSync(join(folder, 'start.mjs')) ? 'npm start' : 'npx sluice run',
  ]
  await terminal.next(steps.join(' && '), true)
  return 0
}
