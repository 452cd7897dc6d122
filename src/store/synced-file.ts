/**
 * Small files that must be on disk before anybody relies on them: written beside, synced, renamed, and the directory synced.
 */
import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, statSync, writeSync } from 'node:fs'
import { dirname, resolve } from 'node:path'

/** Replaces the file; afterwards either the old or the new content is there, whatever crashes. */
export function writeFileSynced(path: string, text: string): void {
  const beside = `${path}.${process.pid}.new`
  const fd = openSync(beside, 'w')
  try {
    writeSync(fd, text)
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
  renameSync(beside, path)
  syncDirectory(dirname(path))
}

/**
 * Makes a directory, and those above it that are missing, one by one: node's `recursive` does not return where a file system
 * answers every new name with ENOENT, as /proc does.
 * @throws the system's error where one can't be made, or is no directory
 */
export function makeDirectorySynced(path: string): void {
  if (isDirectory(path)) return
  const parent = dirname(resolve(path))
  makeDirectorySynced(parent)
  try {
    mkdirSync(path)
  } catch (error) {
    // Another process may have been faster.
    if (!isDirectory(path)) throw error
  }
  syncDirectory(parent)
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
}

/** What was made, renamed or removed in it stays so. */
export function syncDirectory(path: string): void {
  const fd = openSync(path, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}
