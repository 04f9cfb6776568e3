"""What the synthetic speakers say: 24 lists of ten sentences, written for this project.

Each list holds all 39 phones (in the American accent; a test checks it), so that whole lists can be kept aside for
validation and evaluation. Words are plain: no figures, abbreviations or hyphens, which espeak reads in its own way.
"""

_LISTS = """
father took great pleasure in the toys he made.
a cute puppy chewed on the yellow curtain.
at night the tiny fire gave light to five guides.
the wide tire slides on the icy side of the drive.
which cheese do you want for lunch, asked the butcher.
the boy found a small treasure under the old bridge.
the evening train is leaving from the wrong end.
a bird in a fir tree sang the third verse.
one week was enough for the wise woman to wash the wool.
the patient musician brushed her shiny shoes.

now the cows are allowed to drink at the fountain.
a full moon stood over the quiet farm house.
the collision of two boats left oil on the water.
a strong hawk caught a small frog in the pond.
there were scarce pairs of chairs on the stairs.
the cook should put more sugar in the pudding.
the bull stood in the brook and shook its head.
an exposure to heat turned the beige cloth brown.
the hungry monkey was eating something in the jungle.
could you put the butcher's knife back in the cupboard?

they breathed the cold air of the southern mountains.
a gentle giant lived at the edge of the jungle.
the half frozen fisherman followed his friend for food.
he avoided the noisy road by walking through the woods.
more corn was stored in the north barn than before.
a soft breeze lifted the leaf off the roof.
the goat chose the yellow rose below the window.
the moon rose over the cool blue lake at noon.
although the river was deep they waded through it.
we saw an unusual bird with a yellow throat.

the clock on the wall stopped at four o'clock sharp.
he is thinking of selling the strong english ring.
the view over the vast valley gave the visitor joy.
the crew carried crates of fruit across the country.
the boys made a noise while the teacher was out.
the queen keeps three sheep in a clean field.
every summer the river moves over the valley floor.
it was a pleasure to put on a clean shirt.
the hooded man pulled a sack of wool up the hill.
the angry donkey kept banging the tin drink can.

the woman could not push the cart out of the mud.
the dog got hot and jumped off the dock.
the worst storm on earth hurt thirty workers.
the town council found a thousand pounds.
his first words were heard by a nervous clerk.
the rookie cook burned his foot on the oven.
what would the weaver want for a whole yard of wool?
the thin thief thought about the path to the north.
the choice between pleasure and duty was not easy.
coiled ropes lay beside the anchor in the rain.

nobody told the soldier about the broken stove.
my father and mother gathered feathers for the bed.
the version with the blue cover is on the third shelf.
the farmer turned the moist soil with a wooden spade.
they chose an unusual place to pull the boat ashore.
the scientist spent six weeks studying small insects.
the yellow yacht sailed beyond the harbour.
a lonely lion fell asleep below the yellow hill.
the girl turned her purse and searched for a pearl.
the moon and the sun shine in the painting of the nun.

the judge changed the date of the joint trial.
he hopes his whole house will be warm and happy.
he would have stood there until the morning.
the wizard used a puzzle to amuse the prison guards.
an oyster lay on the moist sand near the pier.
the fishing boats usually return before the north wind blows.
snow blows over the road when the wind grows cold.
a royal coin was found under the cushion.
her brother wrote a brief report about the forest fire.
they gave the brave sailor a plate of baked potatoes.

the bear did not dare to share the pear with the hare.
the horse who lives behind the hedge has a heavy head.
bob and his baby brother dug a deep hole in the garden.
three thick threads held the cloth together.
who threw a shoe at the goose in the pool?
the church choir chose a cheerful tune for the children.
a light rain fell while the choir sang by the fire.
no illusion could fool the thoughtful young nurse.
our tower clock sounds every hour of the day.
the employer gave each boy a coin and a book.

the poison was kept in a jar with a red label.
the large car was parked in the yard of the farm.
a division of the land gave each brother a field.
the earth shook with thunder at the third hour.
the magic of the stage enlarged the young audience.
the roses and daisies in the vase please his cousin.
two new spoons were found in the school room.
the young singer was bringing a song to the king.
the good guide began to go back to the garden gate.
the quick fish swims in the middle of the river.

a young lawyer used to live in this yellow house.
the lazy snake lay by the lake in the shade.
the village bridge was damaged by the wild storm.
the little ship is filled with thin tin dishes.
the warm water poured over the floor of the hall.
the erosion of the beach was easy to measure.
the proud hound growled at the crowd by the fountain.
the child tried to climb a pile of dry tiles.
an explosion shook the garage but nobody was hurt.
the youth of europe unite for peace this year.

the dog dragged the dead duck down to the dark door.
both boys pointed at the large white moon.
the big black dog grabbed a bag of bread and biscuits.
the pure water of the tour was poured into jars.
her casual voice hid the noise of the busy street.
when the bell rings every guest enters the tent.
what a treasure this little book of poems is.
the butcher stood at the door with a full bag.
both brothers bathed in the bath house on thursday.
the bushes hid a wolf with a hungry look.

the cup of coffee was kept next to the clock.
the clothes on the line were whiter than these feathers.
a green leaf was seen floating on the sea.
another brother would rather bathe in warm water.
the mountain was lost behind a white cloud.
the daughter of the lord bought four oranges.
the garage sold fuel and oil to the village.
the english nation shows great passion for fashion.
we hear that the deer appears near here every year.
the children wandered at leisure through the thick woods.

do you enjoy the point where the story turns?
the nurse heard the first bird early in the morning.
the crooked path goes down to a dark brook.
the coach watched the match from a bench.
the little girl felt ill and lay still all day long.
nine white kites fly high in the bright sky.
the seizure of the ship annoyed the proud captain.
a silver coin dropped into the boiling water.
the loud crowd shouted as the clown came out.
that leather glove is smoother than the other.

five loaves of bread were given to seven brave men.
the sick kid slipped and hit his chin on the brick.
an hour ago the ground was still covered with snow.
the toy soldier stood guard on a wooden shelf.
the sun came up and the young cub jumped at a bug.
the zebra at the zoo was dizzy from the buzzing bees.
wild winds whip the white waves of the western shore.
the invasion of mice destroyed the cheese in the cellar.
why did the tiger hide behind the pine tree?
confusion grew when both roads joined at the river.

a large orange fell off the edge of the table.
the engine of the jeep made a strange noise.
ten trucks took the timber to the top of the town.
her luggage was jammed under the carriage seat.
some lucky ducks run through the mud for fun.
a lazy lizard dozed among the stones in the desert.
the doctor watched television with a bowl of sugar on his knee.
the general urged his soldiers to guard the bridge.
a casual joke caused great confusion in the church.
a sudden vision of the garden made the captain smile.

the deep stream freezes each year in the evening.
the nurse poured oil on the squeaking hinge.
the safe house offered food and comfort to the family.
the woman took a good look at the crooked hook.
these people need peace and a piece of cheese.
the author wrote a thousand thoughtful letters.
that beige cushion would look good beside the brown chair.
the kitchen chair has a scratch on each arm.
nothing in this world is worth more than health.
on this occasion the king refused to join the feast.

the weather in the north is rather wet this month.
six big pigs live in the mill on the hill.
spring brings young lambs running across the fields.
sister sue sits on the soft sand by the sea.
the usual crowd stood around the bridge and watched.
the wolf stood on the hill and looked at the moon.
push the wooden gate and pull the heavy rope.
she took her book and sat beside the brook.
the teacher made a precise measure of the soil.
mother mended my warm mittens in the morning.

their joyful voices could be heard across the valley.
the guard marched past the barn after dark.
a long string was hanging from the wing of the plane.
the owl flew down from a tower at the south end.
no one knew the name of the new neighbour.
the tourists were sure that the poor road was secure.
the air near the square smells of fresh bread.
the shepherd washed his shirt in a shallow stream.
my sister measured the kitchen table with a yellow rope.
his vision was good enough to point at the bird.

the old boat floated slowly down the cold stream.
please leave the keys beneath the green seat.
a pretty paper plate was put on top of the pile.
perhaps the hunter had hidden the hammer in the hay.
the foil around the chocolate shone like silver.
the occasion called for good food and loud music.
all morning the tall author taught at the law school.
jam and orange juice stood in a jug on the tray.
how did the cloud of brown dust come into town?
yesterday the music was beautiful and new.

the usual queue of cars waited beside the museum.
the red rabbit ran around the rough rocky road.
the rude group moved through the zoo at noon.
the annoyed cook pushed the boiling pot aside.
the great painter made eight plates of grapes.
the ship was shining in the harsh light of the shore.
the driver of the heavy van never leaves the village.
the mouse ran around the house without a sound.
the quick squirrel went away with a walnut.
the hungry judge loves a lunch of duck and plum.

she kept her treasure in a leather bag behind the door.
among the younger men only one had strong lungs.
the flowers outside the south wall grew without water.
the boy enjoyed a measure of butter on his toast.
a brown cow wandered out of the farm house.
the small drum made a dim sound in the empty room.
the rich merchant checked the chain on his watch.
the slow oboe followed the lonely cello solo.
she joined the choir because of her clear voice.
good soil needs rain and sun and a little patience.

the tiny captain packed a kettle and two pots of tea.
a calm palm stood in the park by the harbour.
the ditch was much deeper than the children thought.
she sold fresh fish from a shop on the shore.
each child chewed a piece of rich chocolate.
her leisure hours were full of books and choice music.
the judge asked for a closure of the dusty quarry.
the tall tailor will sell a silk collar to the lawyer.
seven men spent ten days in the wet desert.
my uncle cut the onion and put butter in the jug.

his decision to join the army worried his mother.
please avoid the oily puddle behind the garage.
i would choose the blue toy for the youngest child.
grandmother packed the apples and jam in a bag.
the hen house is behind the huge oak at the hilltop.
we boiled the spoiled milk and threw it away.
the teacher reached for a piece of chalk.
the ocean pushed a shell and a bush onto the beach.
very few hens live near the barn with the red door.
few people argue about the value of human life.

the uncle sang along while cooking the evening meal.
many men and women make money in the summer months.
a gray sail came around the cape at eight.
the day began with rain and the train was late.
the blue balloon flew over the roof of the school.
we usually enjoy a quiet hour of leisure after church.
her father sailed far across the calm dark sea.
a sharp flash of light shone through the shutters.
the smooth fruit juice soon grew too warm.
her mouth was dry and her throat was sore.
"""

LISTS: tuple[tuple[str, ...], ...] = tuple(tuple(text.splitlines()) for text in _LISTS.strip().split("\n\n"))


def words(sentence: str) -> list[str]:
    """The sentence's words without punctuation."""
    return [word.strip(".,?!") for word in sentence.split()]
