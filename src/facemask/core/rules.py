"""Combinations of parameters that cannot be: sentences for what no single key of the schema can tell."""

from collections.abc import Iterator

from pydantic import ValidationError

from facemask.core.labels import ATTRIBUTES
from facemask.core.licences import FURTHER, PACKAGED
from facemask.core.predictions import tells_years
from facemask.core.recipe_schema import Augment, Extractor, ProbeRecipe, Recipe
from facemask.core.schema import Params
from facemask.core.values import complaint


def faults(params: Params) -> Iterator[str]:
    """One sentence a fault, the most basic first."""
    if params.folds != list(range(params.scale.folds)):
        yield f"folds is {params.folds}; it is a list made from scale.folds: set scale.folds={len(params.folds)}"
    yield from _names(params)
    for name, recipe in params.members.items():
        for fault in recipe_faults(recipe):
            yield f"members.{name}.{fault}"
    yield from _extractors(params)
    yield from _relabel(params)
    yield from _rounds(params)
    yield from _weights(params)
    yield from _persons(params)
    yield from _stacked(params)
    if params.data.name == "drawn" and not params.data.root:
        yield "data.root is null, and data.name is 'drawn'; take data=competition for a tree of your own"
    if not sum(params.ingest.masks.values()):
        yield "ingest.masks gives every mask the share 0; give wear, incorrect or bare one above 0"


def recipe_faults(recipe: Recipe | ProbeRecipe) -> Iterator[str]:
    """What no member can be made with; each begins with the recipe's key."""
    predicts = recipe.predicts
    if len(set(predicts)) < len(predicts) or ("joint" in predicts and len(predicts) > 1):
        yield f"predicts is {predicts}; give [joint], or any of mask, gender, age once"
    if len(set(recipe.sources)) < len(recipe.sources):
        yield f"sources is {recipe.sources}; name each once"
    if isinstance(recipe, ProbeRecipe):
        return
    if recipe.loss.kind == "ordinal" and predicts != ["age"]:
        yield f"loss.kind is 'ordinal', and predicts is {predicts}; of an order are ages alone: give cross_entropy, focal or soft_f1"
    if recipe.age_head != "softmax" and "age" not in predicts:
        yield f"age_head is {recipe.age_head!r}, and predicts is {predicts}; give softmax, or let it predict age by itself"
    yield from _backbone_faults(recipe)
    shares = recipe.sampler.shares
    if shares and not sum(shares.get(source, 0) for source in recipe.sources):
        yield f"sampler.shares is {shares}; give one of the member's sources ({', '.join(recipe.sources)}) a share above 0"
    yield from _augment_faults(recipe)


def _backbone_faults(part: Recipe | Extractor) -> Iterator[str]:
    if part.weights == "package" and part.backbone != PACKAGED:
        yield f"weights is 'package', which is {PACKAGED}'s alone, and backbone is {part.backbone!r}; give none, hub or folder"
    given = part.arguments.get("img_size")
    if given and part.size and not part.arguments.get("dynamic_img_size"):
        wanted = [given, given] if isinstance(given, int) else given
        if wanted != part.size:
            yield f"size is {part.size}, and arguments.img_size is {given}; give both the same"


def _augment_faults(recipe: Recipe) -> Iterator[str]:
    for source, options in recipe.source_augment.items():
        try:
            Augment.model_validate(recipe.augment.model_dump() | options)
        except ValidationError as error:
            yield f"source_augment.{source}.{complaint(error.errors(include_url=False)[0])}"


def _names(params: Params) -> Iterator[str]:
    known = ", ".join(params.members)
    named = {"model.members": params.model.members, "model.reference": params.model.reference}
    named |= {"pseudo.teachers": params.pseudo.teachers, "trained": params.trained}
    for key, names in named.items():
        for name in names:
            if name not in params.members:
                yield f"{key}: there is no member {name!r} with this model; choose from {known}"
    for name in params.trained:
        if name not in params.predict:
            yield f"predict.{name} is missing; say in conf/members/{name}.yaml how it predicts"


def _extractors(params: Params) -> Iterator[str]:
    for name in params.extractors:
        if name not in params.features:
            yield f"features: there is no extractor {name!r} with this model; choose from {', '.join(params.features)}"
    for name, extractor in params.features.items():
        for fault in _backbone_faults(extractor):
            yield f"features.{name}.{fault}"
        if len(set(extractor.outputs)) < len(extractor.outputs):
            yield f"features.{name}.outputs is {extractor.outputs}; name each once"
        if extractor.weights == "folder" and name in params.extractors and not params.training.weights_dir:
            yield f"features.{name}.weights is 'folder', and training.weights_dir is null; give the folder of <backbone>.safetensors"


def _relabel(params: Params) -> Iterator[str]:
    name = params.relabel.member
    if name not in params.members:
        yield f"relabel.member is {name!r}; choose from {', '.join(params.members)}"
        return
    voter = params.members[name]
    if set(voter.predicts) != set(ATTRIBUTES) or not tells_years(voter.model_dump()):
        yield f"relabel.member is {name!r}, which must predict mask, gender, age and years; take probe_voter, voter or three_head"


def _rounds(params: Params) -> Iterator[str]:
    learning = [name for name in params.trained if "pseudo" in params.members[name].sources]
    teachers = params.pseudo.teachers
    if learning and not teachers:
        yield f"members.{learning[0]}.sources holds pseudo, and pseudo.teachers is empty; name the members that give the labels"
    for name in learning:
        if name in teachers:
            yield f"members.{name}.sources holds pseudo, and it is one of pseudo.teachers; a teacher must not learn from itself"


def _weights(params: Params) -> Iterator[str]:
    for name in dict.fromkeys([*params.trained, params.relabel.member]):
        recipe, options = params.members[name], params.predict.get(name)
        if isinstance(recipe, ProbeRecipe):
            if options and (options.views != ["plain"] or options.dropout_passes):
                yield f"predict.{name} asks for views or dropout, and a probe sees what its features saw; set features.{recipe.features}.views"
            continue
        weights = recipe.weights
        origin = weights.removeprefix(FURTHER).removesuffix(".safetensors")
        if weights.startswith(FURTHER) and origin not in params.members:
            yield f"members.{name}.weights is {weights}; there is no member {origin!r} whose backbone it could be"
        if weights == "folder" and not params.training.weights_dir:
            yield f"members.{name}.weights is 'folder', and training.weights_dir is null; give the folder of <backbone>.safetensors"
        if options and options.dropout_passes and not recipe.dropout.rate:
            yield f"predict.{name}.dropout_passes is {options.dropout_passes}, and members.{name}.dropout.rate is 0; set either"


def _persons(params: Params) -> Iterator[str]:
    persons = params.persons
    if persons.design and sum(persons.design.model_dump().values()) != persons.photos:
        shown = ", ".join(f"{mask}: {count}" for mask, count in persons.design.model_dump().items())
        yield f"persons.design is {{{shown}}}, and persons.photos is {persons.photos}; give as many photos in all, or persons.design=null"


def _stacked(params: Params) -> Iterator[str]:
    heads = {head for name in params.model.members for head in params.members[name].predicts}
    lacking = [] if "joint" in heads else [attribute for attribute in ATTRIBUTES if attribute not in heads]
    if lacking:
        yield f"model.members is {params.model.members}, and none predicts {' and '.join(lacking)}; add a member that does, or a joint one"
